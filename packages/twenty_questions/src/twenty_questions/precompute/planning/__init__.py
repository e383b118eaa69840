"""What a whole recipe will take, before it is run: counted from the recipe, paced by a small sample.

models -> reckoning; labels -> writing, table, sizes -> known
all of these -> servers -> stages -> recipe_plan
"""
