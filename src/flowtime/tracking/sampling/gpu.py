"""Utilization, memory, temperature and power of NVIDIA devices, by NVML; loaded when first asked for.

Only devices that ``CUDA_VISIBLE_DEVICES`` shows the run are read.  Each figure fails alone: an unsupported or failing
query leaves a note, and the others stay.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

__all__ = ["DeviceName", "GpuMeter", "GpuReading", "Visible", "load_nvml", "visible_devices"]

VISIBLE = "CUDA_VISIBLE_DEVICES"
_MIB = 1 << 20
_FIRST_RETRY_S = 10.0
_LAST_RETRY_S = 600.0
# Any of these exists where a driver is loaded: two on Linux, one in the Linux of Windows.
_DRIVER_FILES = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")


class DeviceName(NamedTuple):
    """A device as NVML counts it, and the ids of the MIG slices that it is cut into."""

    number: int
    uuid: str
    slices: tuple[str, ...] = ()


class Visible(NamedTuple):
    """What the run may use: (place in the list of devices, place in its list of slices or None), and why not all."""

    places: tuple[tuple[int, int | None], ...]
    reason: str | None = None


class GpuReading(NamedTuple):
    """The devices in the wire's names (see GpuDeviceSample), and a reason for each figure that is missing."""

    devices: tuple[dict[str, object], ...] = ()
    notes: tuple[str, ...] = ()


def visible_devices(value: str | None, devices: Sequence[DeviceName]) -> Visible:
    """Return what ``CUDA_VISIBLE_DEVICES`` shows, by the rules of NVIDIA's run time.

    Unset shows all.  Entries are indexes, or beginnings of ids that fit one device (``GPU-``, ``MIG-``); the kind of
    the first holds for all.  The list ends at the first entry that names nothing; a device named twice hides all.
    """
    if value is None:
        return Visible(tuple((place, None) for place in range(len(devices))))
    entries = [entry.strip() for entry in value.split(",")]
    kind = next((prefix for prefix in ("GPU-", "MIG-") if entries[0].startswith(prefix)), "")
    places: list[tuple[int, int | None]] = []
    for entry in entries:
        place = _place(entry, kind, devices)
        if place is None:
            break
        if place in places:
            return Visible((), f"{VISIBLE} names a device twice, which hides all")
        places.append(place)
    return Visible(tuple(places), None if places else f"{VISIBLE} hides all devices")


def _place(entry: str, kind: str, devices: Sequence[DeviceName]) -> tuple[int, int | None] | None:
    """Return what an entry names; None if that is nothing, or not one thing."""
    if not kind:
        # As strtoul reads it: digits count up to the first character that is none.
        digits = re.match(r"\+?(\d+)", entry)
        number = int(digits[1]) if digits else -1
        return next(((place, None) for place, device in enumerate(devices) if device.number == number), None)
    if not entry.startswith(kind):
        return None
    places = [place for uuid, place in _ids(kind, devices) if uuid.startswith(entry)]
    return places[0] if len(places) == 1 else None


def _ids(kind: str, devices: Sequence[DeviceName]) -> Iterator[tuple[str, tuple[int, int | None]]]:
    """Yield the ids of all devices, or of all slices, with their places."""
    for place, device in enumerate(devices):
        if kind == "GPU-":
            yield device.uuid, (place, None)
        else:
            yield from ((uuid, (place, cut)) for cut, uuid in enumerate(device.slices))


def load_nvml() -> Any:
    """Return the module ``pynvml``.  Raises ImportError where it is not installed, OSError without a driver."""
    # The module costs 25 ms: not worth it where it could only fail.
    if sys.platform == "linux" and not any(os.path.exists(path) for path in _DRIVER_FILES):
        raise OSError("no NVIDIA driver is loaded")
    return import_module("pynvml")


class _Device:
    """A device or a slice, opened: what never changes of it, and what it was found not to tell."""

    def __init__(self, label: str, index: int, handle: Any) -> None:
        self.label = label
        self.handle = handle
        self.fixed: dict[str, object] = {"index": index}
        self.refused: dict[str, str] = {}
        self.is_old_memory = False


# What is asked each time: name of the query, function that gives the wire's fields.
_QUERIES: tuple[tuple[str, Callable[[Any, _Device], dict[str, object]]], ...] = (
    ("utilPercent", lambda nvml, device: {"utilPercent": float(nvml.nvmlDeviceGetUtilizationRates(device.handle).gpu)}),
    ("memoryUsedMb", lambda nvml, device: _memory(nvml, device)),
    (
        "temperatureC",
        lambda nvml, device: {
            "temperatureC": float(nvml.nvmlDeviceGetTemperature(device.handle, nvml.NVML_TEMPERATURE_GPU))
        },
    ),
    ("powerW", lambda nvml, device: {"powerW": round(nvml.nvmlDeviceGetPowerUsage(device.handle) / 1000, 1)}),
)


class GpuMeter:
    """Reads the devices that ``environ`` shows; starts NVML at the first reading, and again if that failed.

    Starting is tried again after 10 s, then twice as long each time up to 10 minutes; never without ``pynvml``.
    """

    def __init__(self, environ: Mapping[str, str], *, load: Callable[[], Any] = load_nvml) -> None:
        self._visible = environ.get(VISIBLE)
        self._order = environ.get("CUDA_DEVICE_ORDER", "")
        self._load = load
        self._nvml: Any = None
        self._devices: list[_Device] = []
        self._standing: list[str] = []
        self._retry_at_s = float("-inf")
        self._delay_s = _FIRST_RETRY_S
        self._is_shut = False

    def read(self, now_s: float) -> GpuReading:
        """Return the devices; ``now_s`` is a clock that never jumps.  Raises nothing of NVML."""
        if self._nvml is None and now_s >= self._retry_at_s:
            self._open(now_s)
        notes = list(self._standing)
        samples = tuple(self._sample(device, notes) for device in self._devices)
        if self._is_shut:
            # Somebody shut NVML down in this process: open it anew at the next reading.
            self._nvml, self._devices, self._is_shut = None, [], False
        return GpuReading(samples, tuple(notes))

    def close(self) -> None:
        """Let NVML go; a later reading starts it again."""
        nvml, self._nvml, self._devices = self._nvml, None, []
        if nvml is not None:
            try:
                nvml.nvmlShutdown()
            except nvml.NVMLError as error:
                self._standing = [f"gpu: {error}"]

    def _open(self, now_s: float) -> None:
        try:
            nvml = self._load()
        except ImportError:
            self._standing, self._retry_at_s = ["gpu: pynvml is not installed (the extra flowtime[gpu])"], float("inf")
            return
        except OSError as error:
            self._fail(error, now_s)
            return
        try:
            nvml.nvmlInit()
            found = [_found(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError as error:
            self._fail(error, now_s)
            return
        self._nvml, self._delay_s = nvml, _FIRST_RETRY_S
        self._choose(nvml, found)

    def _fail(self, error: Exception, now_s: float) -> None:
        self._standing = [f"gpu: {error}"]
        self._retry_at_s = now_s + self._delay_s
        self._delay_s = min(2 * self._delay_s, _LAST_RETRY_S)

    def _choose(self, nvml: Any, found: list[_Found]) -> None:
        self._standing = [f"gpu{each.name.number}: {each.fault}" for each in found if each.fault]
        if not found:
            self._standing = ["no-gpus"]
            return
        visible = visible_devices(self._visible, [each.name for each in found])
        if visible.reason:
            self._standing.append(f"gpu: {visible.reason}")
        self._devices = [_opened(found[place], cut) for place, cut in visible.places if found[place].handle is not None]
        if self._is_doubtful({each.model for each in found}):
            self._standing.append("gpu: indexes may count otherwise than CUDA's, which puts the fastest model first")

    def _is_doubtful(self, models: set[str | None]) -> bool:
        """Say whether an index may mean another device to CUDA than to NVML, which counts by the bus."""
        is_by_index = self._visible is not None and self._visible.strip()[:1].isdigit()
        return is_by_index and self._order != "PCI_BUS_ID" and len(models) > 1

    def _sample(self, device: _Device, notes: list[str]) -> dict[str, object]:
        nvml = self._nvml
        sample = dict(device.fixed)
        for query, ask in _QUERIES:
            if query in device.refused:
                notes.append(f"{device.label}.{query}: {device.refused[query]}")
                continue
            try:
                sample.update(ask(nvml, device))
            except nvml.NVMLError as error:
                if _is_lost(nvml, error):
                    self._is_shut = self._is_shut or error.value == nvml.NVML_ERROR_UNINITIALIZED
                    notes.append(f"{device.label}: {error}")
                    break
                notes.append(f"{device.label}.{query}: {error}")
                if _is_for_good(nvml, error):
                    device.refused[query] = str(error)
            except AttributeError:
                device.refused[query] = "this version of pynvml does not know the query"
                notes.append(f"{device.label}.{query}: {device.refused[query]}")
        return sample


class _Found(NamedTuple):
    """A device that NVML counts; without a handle, and with the reason, where it can not be opened."""

    name: DeviceName
    handle: Any
    model: str | None = None
    slice_handles: tuple[Any, ...] = ()
    fault: str | None = None


def _found(nvml: Any, index: int) -> _Found:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid, model = _text(nvml.nvmlDeviceGetUUID(handle)), _text(nvml.nvmlDeviceGetName(handle))
    except nvml.NVMLError as error:
        return _Found(DeviceName(index, ""), None, fault=str(error))
    slices = _slices(nvml, handle)
    name = DeviceName(index, uuid, tuple(uuid for uuid, _ in slices))
    return _Found(name, handle, model, tuple(cut for _, cut in slices))


def _opened(found: _Found, cut: int | None) -> _Device:
    """Return the device, or its slice at the place ``cut``."""
    index, handle, uuid, label = found.name.number, found.handle, found.name.uuid, f"gpu{found.name.number}"
    if cut is not None:
        handle, uuid, label = found.slice_handles[cut], found.name.slices[cut], f"{label}.{cut}"
    device = _Device(label, index, handle)
    device.fixed.update(uuid=uuid, name=found.model)
    return device


def _slices(nvml: Any, handle: Any) -> list[tuple[str, Any]]:
    """Return (id, handle) of every MIG slice; none where the device or the driver does not know them."""
    try:
        if nvml.nvmlDeviceGetMigMode(handle)[0] != nvml.NVML_DEVICE_MIG_ENABLE:
            return []
        count = nvml.nvmlDeviceGetMaxMigDeviceCount(handle)
    except (nvml.NVMLError, AttributeError):
        return []
    slices = (_slice(nvml, handle, place) for place in range(count))
    return [each for each in slices if each is not None]


def _slice(nvml: Any, handle: Any, place: int) -> tuple[str, Any] | None:
    """Return the slice at a place; places are not filled from the first, and an empty one is None."""
    try:
        cut = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, place)
        return _text(nvml.nvmlDeviceGetUUID(cut)), cut
    except nvml.NVMLError:
        return None


def _memory(nvml: Any, device: _Device) -> dict[str, object]:
    memory = None
    if not device.is_old_memory:
        try:
            # The first version counts what the driver keeps for itself as used.
            memory = nvml.nvmlDeviceGetMemoryInfo(device.handle, version=nvml.nvmlMemory_v2)
        except (nvml.NVMLError, AttributeError, TypeError) as error:
            if isinstance(error, nvml.NVMLError) and _is_lost(nvml, error):
                raise
            device.is_old_memory = True
    if memory is None:
        memory = nvml.nvmlDeviceGetMemoryInfo(device.handle)
    return {"memoryUsedMb": round(memory.used / _MIB, 1), "memoryTotalMb": round(memory.total / _MIB, 1)}


def _is_lost(nvml: Any, error: Any) -> bool:
    return getattr(error, "value", None) in (nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_UNINITIALIZED)


def _is_for_good(nvml: Any, error: Any) -> bool:
    refusals = (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_NO_PERMISSION, nvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    return getattr(error, "value", None) in refusals


def _text(value: Any) -> str:
    """Return a name as text: older versions of pynvml give bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
