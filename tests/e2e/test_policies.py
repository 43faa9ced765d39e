"""Policies from upload to the reader, through the whole pool."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import worldpool

from tests import graphs


def test_a_graph_acts_and_what_it_computes_arrives(client: worldpool.Client) -> None:
    content = graphs.linear(17, 6)
    policy = client.policies.onnx(content)
    run = client.runs.create(refs=["mujoco/half_cheetah"], policy=policy, steps_per_env=4000, seed=3)
    session = onnxruntime.InferenceSession(content)
    rows = 0
    for batch in run.stream(progress=False):
        assert batch.chunk.index["policy"]["digest"] == policy.digest
        acted = ~batch.is_last
        seen = np.asarray(batch.observations)[acted].astype(np.float32)
        actions, value = session.run(["actions", "value"], {"observations": seen})
        np.testing.assert_allclose(np.asarray(batch.actions)[acted], actions, atol=1e-5)
        np.testing.assert_allclose(batch.policy["value"][acted], value, atol=1e-4)
        rows += int(acted.sum())
    assert rows == 4000


def test_policies_meet_the_same_episodes(client: worldpool.Client) -> None:
    push = client.policies.constant(1)
    run = client.runs.create(refs=["classic/cartpole"], policy=["random", push], episodes=5, seed=[1, 2])
    first: dict[tuple[str, int, int], bytes] = {}
    for batch in run.stream(progress=False):
        name = batch.chunk.index["policy"]["name"]
        for episode in batch.to_episodes():
            first[name, episode.episode_index, episode.seed] = np.asarray(episode.observations)[0].tobytes()
    starts = {
        name: {key[1:]: seen for key, seen in first.items() if key[0] == name} for name in ("random", push.digest)
    }
    assert len(starts["random"]) == 10
    assert starts["random"] == starts[push.digest]
    report = run.report(by=["policy"])
    assert [line.group["policy"] for line in report.lines] == sorted(["random", push.digest])


def test_a_policy_that_only_the_worker_can_refuse_fails_its_run_with_the_reason(client: worldpool.Client) -> None:
    policy = client.policies.onnx(graphs.linear(17, 6))
    run = client.runs.create(refs=["minigrid/empty;size=7"], policy="still", episodes=1)
    assert run.wait().state == "succeeded"
    run = client.runs.create(refs=["mujoco/hopper;gravity=4.444"], policy=policy, episodes=1)
    with pytest.raises(worldpool.RunFailed, match="observations has the shape"):
        list(run.stream(progress=False))


def test_a_script_that_starts_again_finds_its_run(client: worldpool.Client) -> None:
    asked = {"refs": ["classic/cartpole"], "episodes": 2, "seed": 9}
    first = client.runs.get_or_create(name="found-again", **asked).wait()
    assert client.runs.get_or_create(name="found-again", **asked).id == first.id
    assert client.runs.create(**asked, reuse=True).id == first.id
    with pytest.raises(worldpool.Conflict, match="found-again"):
        client.runs.get_or_create(name="found-again", refs=["classic/cartpole"], episodes=3)


def test_what_is_recorded_is_what_was_asked_for(client: worldpool.Client) -> None:
    record = {"columns": ["actions", "rewards"], "infos": ["x_position"], "pixels": {"width": 32, "height": 32}}
    run = client.runs.create(refs=["minigrid/empty"], steps_per_env=20, record=record)
    (batch,) = run.stream(progress=False)
    assert batch.pixels[0].startswith(b"\x89PNG")
    assert np.isnan(batch.infos["x_position"]).all()
    assert len(batch.rewards) == len(batch.actions) == len(batch)
    with pytest.raises(worldpool.NotRecorded, match="observations"):
        _ = batch.observations
