"""Peng et al., CVPR 2022, on CREMA-D."""
