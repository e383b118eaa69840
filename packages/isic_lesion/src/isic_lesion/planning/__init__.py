"""What a whole run of a recipe will take, before it is begun: counted from the recipe, paced by a small sample.

sizes -> image_work, network_facts -> drawn_rows, task_memory -> timings -> picture_samples, network_samples
small_runs -> table_samples -> measuring -> image_paces -> image_stages, table_stages -> run_plan
"""
