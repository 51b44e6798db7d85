"""The log of Slack's SDK: it writes down what people say, and a page for each lost connection."""

from __future__ import annotations

import logging

log = logging.getLogger("assay.chat.slack")
log.setLevel(logging.CRITICAL)
