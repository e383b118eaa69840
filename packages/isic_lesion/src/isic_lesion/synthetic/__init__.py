"""Made-up data folders of the contest's form and statistics, at any size.

Whoever has no copy of the contest's data can run everything on these; nothing here is a real lesion. Read in the order
of the data: `parameters` (what is published), `marginals`, `dependence`, `sizes`, `patients`, `plan`, `body`,
`shapes`, `lesions`, `metadata`, `pictures`, `folder` (io), and `realism`, which tells how far from real rows they are.

What a row rests on: quantiles, rank correlations, counts and hospitals' means that are published of the contest's own
table, and rules that all real rows keep. Constants marked "estimated" were measured on 811 openly licensed real rows.
No row, and no part of one, is a copy.
"""
