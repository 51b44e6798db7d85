"""`python -m assay.api.http.rest > docs/openapi.json` writes the description of REST down."""

from __future__ import annotations

import sys

from .routes import document

sys.stdout.buffer.write(document())
