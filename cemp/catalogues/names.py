"""One form for the many spellings of a star's name."""

import re

#: Durchmusterung: zone and number are two numbers, however they are run together.
_DM = re.compile(r"^(BD|CD|CPD)([+-])0*(\d{1,2}?)[ _:°.]+0*(\d+)[A-C]?$")
_DM_TIGHT = re.compile(r"^(BD|CD|CPD)([+-])(\d{2})0*(\d+)[A-C]?$")
#: HK survey plates: CS 22892-052, BPS CS 22892-0052, BS 16467-062.
_PLATE = re.compile(r"^(?:BPS)?(CS|BS)(\d{5})-0*(\d+)$")
_NUMBER = re.compile(r"^(HD|HIP|TYC|SAO)0*(\d[\d-]*)[A-C]?$")


def star_key(name):
    """Bring the spellings of a star's name to one form.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        Upper case, without blanks, underscores and leading zeros of catalogue numbers; empty if
        there is no name.

    Examples
    --------
    >>> star_key("BPS CS 22892-0052") == star_key("CS22892-052") == "CS22892-52"
    True
    >>> star_key("BD+02:3375") == star_key("BD +02 3375") == star_key("BD+023375")
    True
    >>> star_key("HE 0107-5240"), star_key("HD 002796"), star_key("")
    ('HE0107-5240', 'HD2796', '')
    """
    text = str(name).strip().upper().replace("−", "-").replace("–", "-")
    spaced = re.sub(r"^(BD|CD|CPD)[ _]*([+-])[ _]*", r"\1\2", text)
    found = _DM.match(spaced)
    text = re.sub(r"[\s_:*]+", "", text)
    found = found or _DM_TIGHT.match(text)
    if found:
        return f"{found[1]}{found[2]}{int(found[3])}_{int(found[4])}"
    if found := _PLATE.match(text):
        return f"{found[1]}{found[2]}-{found[3]}"
    if found := _NUMBER.match(text):
        return found[1] + found[2]
    return text
