"""GPU figures: which devices the run may use, and that each figure fails alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from flowtime.tracking.records import GpuDeviceSample
from flowtime.tracking.sampling.gpu import DeviceName, GpuMeter, visible_devices
from nvmlfakes import DRIVER_NOT_LOADED, GPU_IS_LOST, NOT_SUPPORTED, UNINITIALIZED, FakeDevice, FakeNvml, NVMLError

DEVICES = (
    DeviceName(0, "GPU-aa11"),
    DeviceName(1, "GPU-aa22"),
    DeviceName(2, "GPU-bb33", ("MIG-c1", "MIG-c2")),
)


def meter(nvml: FakeNvml, visible: str | None = None) -> GpuMeter:
    return GpuMeter({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}, load=lambda: nvml)


def two() -> FakeNvml:
    return FakeNvml(FakeDevice("GPU-a", util=80, used_mb=1000), FakeDevice("GPU-b", util=20, used_mb=3000))


def failing(error: Exception) -> Any:
    def load() -> Any:
        raise error

    return load


@pytest.mark.parametrize(
    ("value", "places"),
    [
        pytest.param(None, [0, 1, 2], id="unset shows all"),
        pytest.param("", [], id="empty"),
        pytest.param("-1", [], id="minus one"),
        pytest.param("NoDevFiles", [], id="no device files"),
        pytest.param("1", [1], id="one index"),
        pytest.param("2,0", [2, 0], id="order is kept"),
        pytest.param(" 1 , 0 ", [1, 0], id="spaces"),
        pytest.param("0,-1,1", [0], id="ends at the first invalid index"),
        pytest.param("0,7,1", [0], id="ends at an index that is not there"),
        pytest.param("0,,1", [0], id="ends at an empty entry"),
        pytest.param("1gpu,0", [1, 0], id="digits count"),
        pytest.param("0,1,0", [], id="twice hides all"),
        pytest.param("GPU-bb", [2], id="beginning of an id"),
        pytest.param("GPU-aa22,GPU-bb33", [1, 2], id="ids"),
        pytest.param("GPU-aa", [], id="beginning of two ids"),
        pytest.param("GPU-aa11,1", [0], id="kinds are not mixed"),
        pytest.param("1,GPU-aa11", [1], id="index first, then an id"),
        pytest.param("GPU-aa11,GPU-no,GPU-aa22", [0], id="ends at an unknown id"),
    ],
)
def test_the_run_sees_what_cuda_shows(value: str | None, places: list[int]) -> None:
    assert [place for place, _ in visible_devices(value, DEVICES).places] == places


@pytest.mark.parametrize(
    ("value", "places"),
    [
        pytest.param("MIG-c2", ((2, 1),), id="one slice"),
        pytest.param("MIG-c1,MIG-c9", ((2, 0),), id="ends at an unknown slice"),
        pytest.param("MIG-c", (), id="beginning of two"),
    ],
)
def test_slices_are_found_by_their_id(value: str, places: tuple[tuple[int, int]]) -> None:
    assert visible_devices(value, DEVICES).places == places


def test_nothing_visible_is_given_a_reason() -> None:
    reading = meter(two(), "-1").read(0.0)
    assert reading.devices == ()
    assert reading.notes == ("gpu: CUDA_VISIBLE_DEVICES hides all devices",)


def test_two_healthy_devices_tell_everything() -> None:
    reading = meter(two()).read(0.0)
    first = msgspec.convert(reading.devices[0], GpuDeviceSample)
    assert first == GpuDeviceSample(
        index=0,
        uuid="GPU-a",
        name="Fake H200",
        util_percent=80.0,
        memory_used_mb=1000.0,
        memory_total_mb=80000.0,
        temperature_c=40.0,
        power_w=123.4,
    )
    assert [device["index"] for device in reading.devices] == [0, 1]
    assert reading.notes == ()


@pytest.mark.parametrize(
    ("figure", "field", "query"),
    [
        pytest.param("util", "utilPercent", "utilPercent", id="utilization"),
        pytest.param("used_mb", "memoryUsedMb", "memoryUsedMb", id="memory"),
        pytest.param("temperature", "temperatureC", "temperatureC", id="temperature"),
        pytest.param("power_mw", "powerW", "powerW", id="power"),
    ],
)
def test_a_figure_fails_alone(figure: str, field: str, query: str) -> None:
    nvml = two()
    setattr(nvml.devices[0], figure, NVMLError(NOT_SUPPORTED))
    reading = meter(nvml).read(0.0)
    assert field not in reading.devices[0]
    assert field in reading.devices[1]
    assert {"utilPercent", "memoryUsedMb", "temperatureC", "powerW"} - {field} <= reading.devices[0].keys()
    assert reading.notes == (f"gpu0.{query}: Not Supported",)


def test_what_is_not_supported_is_asked_once() -> None:
    nvml = FakeNvml(FakeDevice("GPU-a", util=NVMLError(NOT_SUPPORTED)))
    reader = meter(nvml)
    notes = [reader.read(now_s).notes for now_s in (0.0, 1.0, 2.0)]
    assert nvml.calls.count("util") == 1
    assert notes == [("gpu0.utilPercent: Not Supported",)] * 3


def test_an_error_that_passes_is_asked_again() -> None:
    nvml = FakeNvml(FakeDevice("GPU-a", util=NVMLError(6)))
    reader = meter(nvml)
    reader.read(0.0)
    nvml.devices[0].util = 30
    assert reader.read(1.0).devices[0]["utilPercent"] == 30.0


def test_a_device_lost_mid_way_leaves_the_other() -> None:
    nvml = two()
    reader = meter(nvml)
    reader.read(0.0)
    nvml.devices[0].broken = NVMLError(GPU_IS_LOST)
    reading = reader.read(1.0)
    assert "utilPercent" not in reading.devices[0]
    assert reading.devices[1]["utilPercent"] == 20.0
    assert reading.notes == ("gpu0: GPU is lost",)


def test_a_device_lost_at_the_start_leaves_the_other() -> None:
    nvml = two()
    nvml.devices[0].broken = NVMLError(GPU_IS_LOST)
    reading = meter(nvml).read(0.0)
    assert [device["index"] for device in reading.devices] == [1]
    assert reading.notes == ("gpu0: GPU is lost",)


@pytest.mark.parametrize(
    ("visible", "index", "uuid", "used_mb"),
    [
        pytest.param(None, 0, "GPU-a", 5000.0, id="the whole device"),
        pytest.param("MIG-x2", 0, "MIG-x2", 700.0, id="a slice"),
    ],
)
def test_mig_has_memory_without_utilization(visible: str | None, index: int, uuid: str, used_mb: float) -> None:
    refusal = NVMLError(NOT_SUPPORTED)
    slices = tuple(FakeDevice(f"MIG-x{place}", util=refusal, used_mb=350 * place) for place in (1, 2))
    nvml = FakeNvml(FakeDevice("GPU-a", util=refusal, used_mb=5000, slices=slices))
    (device,) = meter(nvml, visible).read(0.0).devices
    assert (device["index"], device["uuid"], device["memoryUsedMb"]) == (index, uuid, used_mb)
    assert "utilPercent" not in device


def test_an_old_driver_tells_memory_its_own_way() -> None:
    class OldNvml(FakeNvml):
        def nvmlDeviceGetMemoryInfo(self, device: FakeDevice, version: int | None = None) -> Any:
            if version is not None:
                raise NVMLError(13)
            return super().nvmlDeviceGetMemoryInfo(device)

    (device,) = meter(OldNvml(FakeDevice("GPU-a", used_mb=1000))).read(0.0).devices
    assert device["memoryUsedMb"] == 1500.0


def test_names_may_be_bytes() -> None:
    nvml = FakeNvml(FakeDevice("GPU-a"))
    nvml.devices[0].name = b"Old H200"
    assert meter(nvml).read(0.0).devices[0]["name"] == "Old H200"


def test_a_driver_that_is_not_loaded_is_tried_again_ever_later() -> None:
    nvml = FakeNvml(start=NVMLError(DRIVER_NOT_LOADED))
    reader = meter(nvml)
    tries = [(reader.read(float(now_s)), len(nvml.calls))[1] for now_s in (0, 9, 10, 29, 30, 69, 70)]
    assert tries == [1, 1, 2, 2, 3, 3, 4]
    assert reader.read(71.0).notes == ("gpu: Driver Not Loaded",)


def test_a_driver_that_comes_later_is_found() -> None:
    nvml = FakeNvml(FakeDevice("GPU-a"), start=NVMLError(DRIVER_NOT_LOADED))
    reader = meter(nvml)
    reader.read(0.0)
    nvml.start = None
    reading = reader.read(10.0)
    assert len(reading.devices) == 1
    assert reading.notes == ()


def test_a_missing_module_is_not_tried_again() -> None:
    calls = []

    def load() -> Any:
        calls.append(1)
        raise ImportError("pynvml")

    reader = GpuMeter({}, load=load)
    notes = [reader.read(now_s).notes for now_s in (0.0, 1e6)]
    assert notes == [("gpu: pynvml is not installed (the extra flowtime[gpu])",)] * 2
    assert len(calls) == 1


def test_a_machine_without_a_driver_says_so() -> None:
    assert GpuMeter({}, load=failing(OSError("no driver"))).read(0.0).notes == ("gpu: no driver",)


def test_no_devices_is_a_note() -> None:
    assert meter(FakeNvml()).read(0.0) == ((), ("no-gpus",))


def test_nvml_shut_down_by_somebody_else_is_opened_anew() -> None:
    nvml = FakeNvml(FakeDevice("GPU-a"))
    reader = meter(nvml)
    reader.read(0.0)
    nvml.devices[0].broken = NVMLError(UNINITIALIZED)
    reader.read(1.0)
    nvml.devices[0].broken = None
    assert reader.read(2.0).devices[0]["utilPercent"] == 50.0
    assert nvml.calls.count("init") == 2


def test_mixed_models_by_index_are_doubtful() -> None:
    nvml = two()
    nvml.devices[1].name = "Fake A100"
    assert "fastest model first" in meter(nvml, "0").read(0.0).notes[0]
    ordered = {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert GpuMeter(ordered, load=lambda: nvml).read(0.0).notes == ()


def test_close_lets_nvml_go() -> None:
    nvml = two()
    reader = meter(nvml)
    reader.read(0.0)
    reader.close()
    assert nvml.calls[-1] == "shutdown"


def test_the_fake_is_like_the_module() -> None:
    pynvml = pytest.importorskip("pynvml", reason="needs nvidia-ml-py, of the gpu extra")
    names = [name for name in dir(FakeNvml) if name.lower().startswith("nvml")]
    assert [name for name in names if not hasattr(pynvml, name)] == []
    numbers = [name for name in names if name.startswith("NVML_")]
    assert {name: getattr(FakeNvml, name) for name in numbers} == {name: getattr(pynvml, name) for name in numbers}
    assert pynvml.NVMLError(GPU_IS_LOST).value == GPU_IS_LOST


def test_the_module_without_a_driver_is_a_note() -> None:
    pynvml = pytest.importorskip("pynvml", reason="needs nvidia-ml-py, of the gpu extra")
    reader = GpuMeter({}, load=lambda: pynvml)
    reading = reader.read(0.0)
    reader.close()
    assert reading.devices or reading.notes
