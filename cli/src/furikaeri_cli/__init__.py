"""The commands `tq`, `isic` and `furikaeri`."""
