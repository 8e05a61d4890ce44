"""A pipeline of two steps, tracked."""

import flowtime

with flowtime.track("imitation", steps=["collect", "train"], run_id="first", tags={"team": "arm"}) as run:
    with run.step("collect") as step:
        for episode in step.progress(range(200)):
            run.log(reward=episode / 10)

    with run.step("train", total=50) as step:
        for epoch in range(50):
            run.log(loss=1 / (1 + epoch), rate=1e-3)
            step.advance()
        step.artifact("policy.npz")
    run.summary["loss"] = 0.02

print(run.id, run.status)
