"""Made-up data folders of the contest's form and statistics, at any size.

Whoever has no copy of the contest's data can run everything on these; nothing here is a real lesion. Read in the order
of the data: `parameters` (what is published), `marginals`, `dependence`, `patients`, `lesions`, `metadata`, `pictures`,
`folder` (io), and `realism`, which tells how far from real rows they are.
"""
