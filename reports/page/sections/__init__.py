"""The sections of the page, one module each; `section_order.py` lists them."""
