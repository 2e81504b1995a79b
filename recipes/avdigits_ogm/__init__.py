"""The method of Peng et al., CVPR 2022, on spoken and written digits."""
