"""Telemetry: what a run or a system measured, kept as captures, with its gaps known."""

from __future__ import annotations

from flowtime.telemetry.manifest import CaptureManifest, read_manifest
from flowtime.telemetry.reader import Capture, read_capture

__all__ = ["Capture", "CaptureManifest", "read_capture", "read_manifest"]
