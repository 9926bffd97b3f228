"""dwlt finds double-win lottery tickets: sparse subnetworks that keep accuracy and robustness."""
