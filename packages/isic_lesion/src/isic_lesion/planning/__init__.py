"""What a whole run of a recipe will take, before it is begun: counted from the recipe, paced by a small sample.

sizes -> image_work, network_facts -> timings -> network_samples, small_runs -> table_samples -> measuring
all of these -> task_memory -> image_stages, table_stages -> run_plan
"""
