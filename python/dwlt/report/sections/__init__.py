"""The sections of the page, one file each: report in, markup out."""
