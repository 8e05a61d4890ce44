"""A stand-in for the module ``pynvml``: devices with figures, each of which may be an error instead."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

__all__ = ["FakeDevice", "FakeNvml", "NVMLError"]

UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND, DRIVER_NOT_LOADED = 1, 2, 3, 4, 6, 9
FUNCTION_NOT_FOUND, GPU_IS_LOST = 13, 15
TEXTS = {
    UNINITIALIZED: "Uninitialized",
    INVALID_ARGUMENT: "Invalid Argument",
    NOT_SUPPORTED: "Not Supported",
    NO_PERMISSION: "Insufficient Permissions",
    NOT_FOUND: "Not Found",
    DRIVER_NOT_LOADED: "Driver Not Loaded",
    FUNCTION_NOT_FOUND: "Function Not Found",
    GPU_IS_LOST: "GPU is lost",
}
MIB = 1 << 20


class NVMLError(Exception):
    """An error of NVML by its number."""

    def __init__(self, value: int) -> None:
        super().__init__(TEXTS[value])
        self.value = value


class FakeDevice:
    """One device (or slice).  A figure that is an NVMLError is raised."""

    def __init__(self, uuid: str, *, util: Any = 50, used_mb: Any = 1000, slices: tuple[FakeDevice, ...] = ()) -> None:
        self.uuid = uuid
        self.name: Any = "Fake H200"
        self.util = util
        self.used_mb = used_mb
        self.total_mb = 80_000
        self.temperature: Any = 40
        self.power_mw: Any = 123_400
        self.slices = slices
        self.broken: NVMLError | None = None


class FakeNvml:
    """What gpu.py uses of the module.  ``start`` is raised by nvmlInit; ``calls`` counts what was called."""

    NVMLError = NVMLError
    NVML_ERROR_UNINITIALIZED = UNINITIALIZED
    NVML_ERROR_NOT_SUPPORTED = NOT_SUPPORTED
    NVML_ERROR_NO_PERMISSION = NO_PERMISSION
    NVML_ERROR_FUNCTION_NOT_FOUND = FUNCTION_NOT_FOUND
    NVML_ERROR_GPU_IS_LOST = GPU_IS_LOST
    NVML_TEMPERATURE_GPU = 0
    NVML_DEVICE_MIG_ENABLE = 1
    nvmlMemory_v2 = 2

    def __init__(self, *devices: FakeDevice, start: Exception | None = None) -> None:
        self.devices = devices
        self.start = start
        self.calls: list[str] = []

    def nvmlInit(self) -> None:
        self.calls.append("init")
        if self.start is not None:
            raise self.start

    def nvmlShutdown(self) -> None:
        self.calls.append("shutdown")

    def nvmlDeviceGetCount(self) -> int:
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeDevice:
        return self._of(self.devices[index], self.devices[index])

    def nvmlDeviceGetUUID(self, device: FakeDevice) -> str:
        return device.uuid

    def nvmlDeviceGetName(self, device: FakeDevice) -> Any:
        return device.name

    def nvmlDeviceGetUtilizationRates(self, device: FakeDevice) -> Any:
        self.calls.append("util")
        return SimpleNamespace(gpu=self._of(device, device.util))

    def nvmlDeviceGetMemoryInfo(self, device: FakeDevice, version: int | None = None) -> Any:
        used = self._of(device, device.used_mb)
        # The first version counts what the driver keeps as used.
        kept_mb = 0 if version == self.nvmlMemory_v2 else 500
        return SimpleNamespace(used=(used + kept_mb) * MIB, total=device.total_mb * MIB)

    def nvmlDeviceGetTemperature(self, device: FakeDevice, sensor: int) -> Any:
        return self._of(device, device.temperature)

    def nvmlDeviceGetPowerUsage(self, device: FakeDevice) -> Any:
        return self._of(device, device.power_mw)

    def nvmlDeviceGetMigMode(self, device: FakeDevice) -> list[int]:
        return [int(bool(device.slices)), int(bool(device.slices))]

    def nvmlDeviceGetMaxMigDeviceCount(self, device: FakeDevice) -> int:
        return len(device.slices) + 1

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: FakeDevice, place: int) -> FakeDevice:
        # The first place is empty, as after a slice was given back.
        if place == 0:
            raise NVMLError(NOT_FOUND)
        return device.slices[place - 1]

    def _of(self, device: FakeDevice, value: Any) -> Any:
        error = device.broken or (value if isinstance(value, NVMLError) else None)
        if error is not None:
            raise error
        return value
