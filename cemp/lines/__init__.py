"""Carbon lines of single stars, and what class of carbon-enhanced star they speak for.

`carbon` measures the bands of CH, C2 and CN, says what the star would show at [C/Fe] = 0, and joins
all bands to one verdict and one [C/Fe] that no network has touched. `groups` places a star in
the A(C)-[Fe/H] plane, `depletion` undoes what the giant branch did to its carbon (for
interpretation alone), `neutron` asks what Ba II and Sr II lines can still tell at R = 1800.

Notebook 11 writes ``build/<profile>/11/lines.parquet``, one row a star of notebook 05's search
table, in order of star_id. A missing value is NaN.

======================  ==========================================================================
column                  meaning
======================  ==========================================================================
star_id, obsid          the star, and the spectrum that was measured
B, e_B                  index of band B and its error from noise [Angstrom; mag for egp, cn_3883,
                        cn_4215], with B one of gband, gband_lick, gp, egp, ch4324, c2_4737,
                        c2_5165, c2_5636, cn_3883, cn_4215 (`cemp.lines.carbon.BANDS`)
B_normal                the index expected at [C/Fe] = 0 for the star's Teff, log g, [Fe/H]
B_excess                index beyond the expected one, in units of its whole error
lines_n                 number of bands that speak in the joint fit
lines_c_fe              [C/Fe] from the bands alone, at the network's Teff, log g, [Fe/H] [dex]
lines_c_fe_low, _high   its 68% interval [dex]; at an end of the library a limit
lines_chi2              chi-square of the fit
lines_sigma             significance of carbon beyond [C/Fe] = 0, sign of the fitted [C/Fe]:
                        the root of the fall in chi-square
lines_power             the significance that [C/Fe] = 1 would have in this spectrum
lines_verdict           "enhanced", "normal" or "untested"
p_group1, 2, 3          probability of the Yoon-Beers groups I, II, III given that the star is a
                        CEMP star; their sum is 1
p_cemp_no               P(CEMP-no) given CEMP: the groups' probabilities times the share of
                        CEMP-no (by barium, in the literature) in each
c_fe_correction         fall of [C/Fe] on the giant branch that is to be added back [dex]
a_c_natal               A(C) with it added: interpretation only, never a label nor a cut
S, e_S, S_excess        indices of Ba II and Sr II [Angstrom], S one of ba4554, ba4934, sr4077,
                        sr4215, their errors, and excess over [X/Fe] = 0 [its error]
ca_k, hdelta, hbeta,    further indices that tell contaminants, with errors e_...
halpha, tio5
lines_kind              what the lines say the object is: "star", "carbon star", "M dwarf",
                        "hot", "emission" or "no lines"
======================  ==========================================================================
"""
