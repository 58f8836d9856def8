"""The site: Sphinx, MyST and furo over the pages of this folder, which Git hosts show too. `make docs` builds it."""

import os
import re

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # autodoc imports the package

from gan_cli import __version__

project = "gan"
author = "the gan-cli authors"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "index"

smartquotes = False  # options are written with two hyphens
myst_heading_anchors = 3  # links to headings, named as on Git hosts

html_theme = "furo"
html_title = f"gan {version}"
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
pygments_style = "friendly"
pygments_dark_style = "monokai"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"

# Files of the repository's root that have a page here: a link to them in a checkout, and what it is on the site
ROOT_PAGES = {"../CONTRIBUTING.md": "contributing.md", "../CHANGELOG.md": "changelog.md", "../README.md": "index.md"}


def _root_pages(_app, name: str, source: list[str]) -> None:
    """Lead links out of this folder to the pages that stand for them."""
    up = "../" * name.count("/")
    for there, here in ROOT_PAGES.items():
        source[0] = re.sub(rf"\]\({re.escape(up + there)}(?=[)#])", f"]({up}{here}", source[0])


def setup(app) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _root_pages)
