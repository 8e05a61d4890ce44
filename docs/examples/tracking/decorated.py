"""Functions as runs and steps, plain and async."""

import asyncio

import flowtime


@flowtime.track("mail", run_id="decorated", strict=True)  # each call is a run
async def main() -> None:
    run = flowtime.current_run()  # also deep inside code that was handed nothing

    @run.stepped("fetch", retries=2)
    async def fetch(number: int) -> int:
        await asyncio.sleep(0.01)
        return number

    found = await asyncio.gather(*(fetch(number) for number in range(3)))

    async with run.step("send") as step:
        for number in step.progress(found):
            run.log(sent=number)
    run.subscribe(lambda kind, payload: print(kind, payload["id"], payload["status"]), "step")
    run.skip("archive", "nothing to keep")


asyncio.run(main())
print(flowtime.current_run().is_enabled)  # outside of any run: one that records nothing
