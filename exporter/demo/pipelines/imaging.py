"""Radio imaging: visibilities are converted, calibrated and imaged; sources are measured in the mosaic."""

from __future__ import annotations

from dataclasses import replace

from exporter.demo.error import Error, python_trace
from exporter.demo.execution import Execution
from exporter.demo.identity import observation, universal
from exporter.demo.pipeline import Fate, Pipeline, Trouble
from exporter.demo.stage import Artifact, Stage, chain

_FITS = "image/fits"
_SUBBANDS = ("sb00", "sb04", "sb08", "sb12")
_FIELDS = ("f00", "f01", "f02", "f03")

NO_SOLUTIONS = Error(
    type="CalibrationError",
    message=(
        "gaincal found no solutions: 87 % of visibilities of 3C286 below the minimum signal-to-noise of 3.0"
    ),
    category="data_quality",
    component="casa",
    trace=python_trace(
        (
            "/opt/dsa110/contimg/pipeline/orchestrator.py",
            341,
            "_run_stage",
            "outputs = stage.execute(context)",
        ),
        (
            "/opt/dsa110/contimg/pipeline/stages/calibrate.py",
            128,
            "execute",
            "gains = solve_gains(context.ms, caltables=[delay, bandpass])",
        ),
        (
            "/opt/dsa110/contimg/calibration/solve.py",
            215,
            "solve_gains",
            "_require_solutions(table, minsnr=3.0)",
        ),
        (
            "/opt/dsa110/contimg/calibration/solve.py",
            74,
            "_require_solutions",
            "raise CalibrationError(_explain(flagged, field, minsnr))",
        ),
        name="dsa110_contimg.calibration.errors.CalibrationError",
    ),
    context={"calibrator": "3C286", "flagged_fraction": 0.87, "minsnr": 3.0, "reference_antenna": 103},
)

OUT_OF_MEMORY = Error(
    type="MemoryError",
    message=(
        "wsclean was killed (exit status 137) while gridding 4 of 6: needs 61 GiB, the node has 56 GiB left"
    ),
    category="resource",
    component="wsclean",
    severity="critical",
    trace=python_trace(
        (
            "/opt/dsa110/contimg/pipeline/orchestrator.py",
            341,
            "_run_stage",
            "outputs = stage.execute(context)",
        ),
        (
            "/opt/dsa110/contimg/pipeline/stages/image.py",
            96,
            "execute",
            "run_wsclean(context.ms, parameters)",
        ),
        ("/opt/dsa110/contimg/imaging/wsclean.py", 152, "run_wsclean", "raise MemoryError(report(process))"),
    ),
    context={"imsize": 6300, "cell_arcsec": 2.5, "exit_status": 137, "node": "lxd110h17"},
)

TRUNCATED = Error(
    type="OSError",
    message="Unable to synchronously open file (truncated file: eof = 402653184, stored_eof = 805306880)",
    category="serialization",
    component="h5py",
    trace=python_trace(
        ("/opt/dsa110/contimg/conversion/uvh5.py", 64, "read_subband", "with h5py.File(path, 'r') as file:"),
        (
            "/opt/conda/lib/python3.11/site-packages/h5py/_hl/files.py",
            561,
            "__init__",
            "fid = make_fid(name, mode)",
        ),
    ),
    context={"subband": "sb08"},
)


def _no_solutions(execution: Execution) -> Error:
    calibrator, flagged = execution.parameters["calibrator"], execution.random.randint(71, 96)
    return replace(
        NO_SOLUTIONS,
        message=(
            f"gaincal found no solutions: {flagged} % of visibilities of {calibrator} below the minimum "
            "signal-to-noise of 3.0"
        ),
        context={**NO_SOLUTIONS.context, "calibrator": calibrator, "flagged_fraction": flagged / 100},
    )


def _imaging(execution: Execution) -> Fate:
    random = execution.random
    warnings = {}
    if random.random() < 0.3:
        share = random.randint(24, 46)
        warnings["flag"] = (
            "rfi_fraction_high",
            f"{share} % of visibilities flagged, usual are 12 % (GNSS L5)",
        )
    chance = random.random()
    if execution.number % (9 if execution.detailed else 60) == 3 or chance < 0.03:
        return Fate(troubles={"solve_gain": Trouble(_no_solutions(execution), at=0.8)}, warnings=warnings)
    if chance < 0.06:
        return Fate(
            slow={"image": 1.8}, troubles={"image": Trouble(OUT_OF_MEMORY, index="f02")}, warnings=warnings
        )
    if chance < 0.2:
        return Fate(
            troubles={"convert": Trouble(TRUNCATED, attempts=1, index="sb08", at=0.3)}, warnings=warnings
        )
    return Fate(warnings=warnings)


def _imaging_parameters(execution: Execution) -> dict[str, object]:
    random = execution.random
    return {
        "observation": execution.due.isoformat(timespec="seconds"),
        "declination_deg": round(random.choice([16.1, 22.0, 37.4, 54.6]), 2),
        "calibrator": random.choice(["3C286", "3C147", "3C48"]),
        "imager": "wsclean",
        "imsize": 6300,
        "cell_arcsec": 2.5,
        "robust": 0.5,
        "niter": random.choice([5000, 10000, 20000]),
    }


def _photometry_parameters(execution: Execution) -> dict[str, object]:
    mosaic = execution.parent.id if execution.parent else "latest"
    return {"mosaic": mosaic, "catalogue": "NVSS", "minimum_snr": 5.0}


_CALIBRATE = Stage(
    "calibrate",
    kind="casa",
    inside=(
        Stage("solve_delay", 2.5, kind="casa", cores=0.9, memory=1800, reads=600),
        Stage("solve_bandpass", 4.5, kind="casa", cores=0.95, memory=2600, reads=900),
        Stage(
            "solve_gain",
            3.5,
            kind="casa",
            cores=0.9,
            memory=2100,
            reads=600,
            says=(("info", "gaincal: reference antenna 103, solution interval 30 s"),),
            makes=(
                Artifact(
                    "{id}.gcal", "file:///data/dsa110/caltables/{id}.gcal", "application/x-casa-table", 4
                ),
            ),
        ),
        Stage("apply", 2.5, kind="casa", cores=0.7, memory=1500, writes=1800),
    ),
)

PIPELINES = (
    Pipeline(
        name="dsa110-imaging",
        thresholds={"success_objective": 0.75},
        kind="imaging",
        owner="radio-astronomy",
        description=(
            "Continuum imaging of DSA-110 drift scans: convert, flag, calibrate, image, mosaic, validate."
        ),
        labels={"team": "radio-astronomy", "telescope": "DSA-110", "site": "OVRO"},
        stages=chain(
            Stage(
                "group_subbands",
                0.8,
                reads=0.1,
                says=(("info", "complete group of 16"),),
            ),
            Stage(
                "convert",
                6,
                kind="pyuvdata",
                items=96,
                cores=1.6,
                memory=3400,
                reads=1500,
                writes=1700,
                instances=_SUBBANDS,
                attempts=2,
                says=(("debug", "{index}: {done} of {total} integrations written"),),
            ),
            Stage("flag", 4, kind="aoflagger", items=384, keeps=0.88, cores=3.2, memory=2900, reads=1700),
            _CALIBRATE,
            Stage(
                "image",
                12,
                kind="wsclean",
                cores=7.4,
                memory=14_500,
                accelerator=9800,
                reads=1800,
                writes=260,
                instances=_FIELDS,
                spread=0.12,
                says=(
                    ("info", "{index}: cleaning to 0.3 mJy, major iteration 1"),
                    ("info", "{index}: major iteration 2"),
                    ("debug", "{index}: residual rms 0.21 mJy"),
                ),
                makes=(
                    Artifact("{id}_{index}.fits", "file:///data/dsa110/images/{id}_{index}.fits", _FITS, 151),
                    Artifact(
                        "{id}_{index}.png",
                        "file:///data/dsa110/quicklooks/{id}_{index}.png",
                        "image/png",
                        0.7,
                    ),
                ),
            ),
            Stage(
                "mosaic",
                6,
                kind="montage",
                items=4,
                keeps=0.25,
                cores=2.8,
                memory=7800,
                reads=600,
                writes=420,
                makes=(Artifact("{id}_mosaic.fits", "file:///data/dsa110/mosaics/{id}.fits", _FITS, 402),),
            ),
            Stage(
                "validate",
                2,
                items=240,
                keeps=0.98,
                says=(("info", "astrometry offset 0.4 arcsec, flux scale 1.03"),),
            ),
        ),
        arrivals=55,
        trigger="sensor",
        starts=("dsa110-photometry",),
        first=3.0,
        history_every=3600,
        overlaps=True,
        heartbeat=45,
        reports_progress=True,
        identifier=observation,
        parameters=_imaging_parameters,
        fate=_imaging,
    ),
    Pipeline(
        name="dsa110-photometry",
        kind="imaging",
        owner="radio-astronomy",
        description=(
            "Measures fluxes in a fresh mosaic and looks for variable sources. Started by dsa110-imaging."
        ),
        labels={"team": "radio-astronomy", "telescope": "DSA-110"},
        stages=chain(
            Stage("find_sources", 4, kind="pybdsf", items=1, cores=1.9, memory=4200, reads=402),
            Stage("cross_match", 2, items=240, keeps=0.93),
            Stage("measure", 5, items=223, cores=3.1, memory=1900),
            Stage(
                "light_curves",
                2,
                items=223,
                keeps=0.03,
                makes=(
                    Artifact("variables.csv", "file:///data/dsa110/photometry/{id}.csv", "text/csv", 0.1),
                ),
            ),
        ),
        overlaps=True,
        identifier=universal,
        parameters=_photometry_parameters,
    ),
)
