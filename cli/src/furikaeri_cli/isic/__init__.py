"""The commands of `isic`."""
