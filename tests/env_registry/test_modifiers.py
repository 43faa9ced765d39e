"""Every modifier does what it says, alone and for several agents, and continues from a saved state.

The simulators here show all that happens: observations hold the step and the executed action, rewards the step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from env_registry import EpisodeSeeds, Modifier, Simulator, families, make, modifiers, parse
from env_registry.family import Actions, Observations, Traits
from env_registry.modifiers.observations import shrunk
from env_registry.packing import pack, unpack
from env_registry.probe import Probe, random_action
from env_registry.simulator import SINGLE_AGENT, Kind

LENGTH = 12


class One(Simulator):
    """A single agent for LENGTH steps; reward t at step t, counted from 1."""

    kind = Kind.SINGLE
    agents = (SINGLE_AGENT,)
    step_ms = 20.0

    def __init__(self, length: int = LENGTH) -> None:
        self.observation_spaces = {SINGLE_AGENT: Box(-1000, 1000, (2,), np.float64)}
        self.action_spaces: dict[str, Any] = {SINGLE_AGENT: Box(-1, 1, (1,), np.float32)}
        self.length = length
        self.actors = ()
        self.t = 0

    def reset(self, seeds: EpisodeSeeds) -> Any:
        self.t, self.actors = 0, self.agents
        return np.array([0.0, 0.0])

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        self.t += 1
        over = self.t == self.length
        self.actors = () if over else self.agents
        return np.array([self.t, np.asarray(action).item()]), float(self.t), over, False, {}

    def render(self) -> np.ndarray[Any, Any]:
        return np.full((100, 150, 3), self.t, np.uint8)

    def save(self) -> dict[str, Any]:
        return {"t": self.t}

    def load(self, state: dict[str, Any]) -> None:
        self.t = state["t"]
        self.actors = self.agents if self.t < self.length else ()


class Two(Simulator):
    """The same for agents `long`, for LENGTH steps, and `short`, for half as many."""

    kind = Kind.PARALLEL
    agents = ("long", "short")
    step_ms = 20.0

    def __init__(self, length: int = LENGTH) -> None:
        self.parts = {"long": One(length), "short": One(length // 2)}
        self.observation_spaces = {agent: one.observation_spaces[SINGLE_AGENT] for agent, one in self.parts.items()}
        self.action_spaces = {agent: one.action_spaces[SINGLE_AGENT] for agent, one in self.parts.items()}

    @property
    def actors(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(agent for agent, one in self.parts.items() if one.actors)

    def reset(self, seeds: EpisodeSeeds) -> Any:
        return {agent: one.reset(seeds) for agent, one in self.parts.items()}

    def render(self) -> np.ndarray[Any, Any]:
        return self.parts["long"].render()

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        assert tuple(action) == self.actors
        answers = {agent: self.parts[agent].step(one) for agent, one in action.items()}
        return tuple({agent: answer[i] for agent, answer in answers.items()} for i in range(5))  # type: ignore[return-value]

    def save(self) -> dict[str, Any]:
        return {agent: one.save() for agent, one in self.parts.items()}

    def load(self, state: dict[str, Any]) -> None:
        for agent, one in self.parts.items():
            one.load(state[agent])


Row = dict[str, tuple[Any, ...]]  # by agent: what reset or step gave it


def rows_of(kind: Kind, answer: tuple[Any, ...]) -> Row:
    if kind is Kind.SINGLE:
        return {SINGLE_AGENT: answer}
    return {agent: tuple(part.get(agent) for part in answer) for agent in answer[0]}


def actions_for(simulator: Simulator, value: Any) -> Any:
    return value if simulator.kind is Kind.SINGLE else dict.fromkeys(simulator.actors, value)


def act(t: int) -> Any:
    """The action at step t (from 1): all different, within the range."""
    return np.array([t / 1000], np.float32)


def rest(simulator: Simulator, action: Callable[[int], Any] = act, t: int = 1) -> list[Row]:
    rows = []
    while simulator.actors:
        rows.append(rows_of(simulator.kind, simulator.step(actions_for(simulator, action(t)))[:4]))
        t += 1
    return rows


def episode(simulator: Simulator, action: Callable[[int], Any] = act, seed: int = 0) -> list[Row]:
    return [rows_of(simulator.kind, (simulator.reset(EpisodeSeeds.of(seed)),)), *rest(simulator, action)]


def wrapped(name: str, simulator: Simulator, position: int = 0, **arguments: Any) -> Simulator:
    modifier = modifiers()[name, 1]
    return modifier.wrap(simulator, {axis.name: axis.default for axis in modifier.axes} | arguments, position)


def column(rows: list[Row], agent: str, index: int) -> list[Any]:
    return [row[agent][index] for row in rows if agent in row]


def executed(rows: list[Row], agent: str) -> np.ndarray[Any, Any]:
    return np.array([observation[1] for observation in column(rows[1:], agent, 0)])


def observed_steps(rows: list[Row], agent: str) -> list[float]:
    return [observation[0] for observation in column(rows, agent, 0)]


def rewards(rows: list[Row], agent: str) -> list[float]:
    return column(rows[1:], agent, 1)


def chosen(count: int) -> np.ndarray[Any, Any]:
    return np.array([act(t).item() for t in range(1, count + 1)])


CASES = [pytest.param(One, SINGLE_AGENT, LENGTH, id="single"), pytest.param(Two, "long", LENGTH, id="parallel-long")]
CASES.append(pytest.param(Two, "short", LENGTH // 2, id="parallel-short"))
every_agent = pytest.mark.parametrize(("simulator", "agent", "length"), CASES)
Make = Callable[..., Simulator]


@every_agent
def test_delay_executes_actions_late_and_zero_before(simulator: Make, agent: str, length: int) -> None:
    rows = episode(wrapped("delay", simulator(), steps=3))
    assert executed(rows, agent).tolist() == [0, 0, 0, *chosen(length - 3)]


def test_delay_of_discrete_actions_begins_with_the_first_of_the_set() -> None:
    one = One()
    one.action_spaces = {SINGLE_AGENT: Discrete(3, start=5)}
    rows = episode(wrapped("delay", one, steps=2), lambda t: 7)
    assert executed(rows, SINGLE_AGENT).tolist() == [5, 5, *[7] * (LENGTH - 2)]


def test_delay_begins_within_a_range_that_lacks_zero() -> None:
    one = One()
    one.action_spaces = {SINGLE_AGENT: Box(0.25, 1, (1,), np.float32)}
    assert executed(episode(wrapped("delay", one, steps=2)), SINGLE_AGENT)[:2].tolist() == [0.25, 0.25]


@pytest.mark.parametrize("name", ["delay", "sticky"])
@pytest.mark.parametrize("simulator", [One, Two])
def test_callers_may_reuse_their_action_array(name: str, simulator: Make) -> None:
    shared = np.zeros(1, np.float32)

    def reuse(t: int) -> Any:
        shared[:] = act(t)
        return shared

    assert pack(episode(wrapped(name, simulator()), reuse)) == pack(episode(wrapped(name, simulator())))


@pytest.mark.parametrize(("simulator", "agent"), [(One, SINGLE_AGENT), (Two, "long")])
def test_sticky_repeats_the_executed_action_with_its_probability(simulator: Make, agent: str) -> None:
    got = executed(episode(wrapped("sticky", simulator(2000), p=0.25)), agent)
    new = got == chosen(2000)
    assert new[0]
    assert all(new[i] or got[i] == got[i - 1] for i in range(1, 2000))
    assert (~new).mean() == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize(("simulator", "agent"), [(One, SINGLE_AGENT), (Two, "long")])
def test_noise_has_its_share_of_the_range_and_stays_within(simulator: Make, agent: str) -> None:
    zero = np.zeros(1, np.float32)
    got = executed(episode(wrapped("noise", simulator(2000), sd=0.1), lambda t: zero), agent)
    assert got.std() == pytest.approx(0.2, rel=0.1)  # the range is 2 wide
    assert got.mean() == pytest.approx(0, abs=0.02)
    edge = executed(episode(wrapped("noise", simulator(200), sd=0.1), lambda t: zero + 1), agent)
    assert edge.max() == 1
    assert edge.min() < 1


@every_agent
def test_action_scale_multiplies_and_clips(simulator: Make, agent: str, length: int) -> None:
    got = executed(episode(wrapped("action_scale", simulator(), gain=2)), agent)
    assert got.tolist() == (np.float32(2) * chosen(length).astype(np.float32)).tolist()
    clipped = executed(
        episode(wrapped("action_scale", simulator(), gain=2), lambda t: np.array([-0.75], np.float32)), agent
    )
    assert set(clipped) == {-1}


@pytest.mark.parametrize(("simulator", "agent"), [(One, SINGLE_AGENT), (Two, "long")])
def test_obs_noise_is_absolute_and_makes_the_space_unbounded(simulator: Make, agent: str) -> None:
    noisy = wrapped("obs_noise", simulator(2000), sd=0.3)
    residue = np.array(observed_steps(episode(noisy), agent)) - np.arange(2001)
    assert residue.std() == pytest.approx(0.3, rel=0.1)
    assert residue.mean() == pytest.approx(0, abs=0.03)
    space = noisy.observation_spaces[agent]
    assert isinstance(space, Box)
    assert not space.is_bounded("below")
    assert not space.is_bounded("above")


def test_obs_noise_keeps_the_type() -> None:
    class Short(One):
        def reset(self, seeds: EpisodeSeeds) -> Any:
            return super().reset(seeds).astype(np.float32)

    one = Short()
    one.observation_spaces = {SINGLE_AGENT: Box(-1, 1, (2,), np.float32)}
    noisy = wrapped("obs_noise", one, sd=0.3)
    observation = noisy.reset(EpisodeSeeds.of(0))
    assert observation.dtype == np.float32
    assert noisy.observation_spaces[SINGLE_AGENT].contains(observation)


@every_agent
def test_obs_delay_shows_what_was_and_first_the_beginning(simulator: Make, agent: str, length: int) -> None:
    rows = episode(wrapped("obs_delay", simulator(), steps=2))
    assert observed_steps(rows, agent) == [0, 0, *range(length - 1)]


@pytest.mark.parametrize(("simulator", "agent"), [(One, SINGLE_AGENT), (Two, "long")])
def test_obs_drop_shows_the_last_one_again_with_its_probability(simulator: Make, agent: str) -> None:
    got = observed_steps(episode(wrapped("obs_drop", simulator(2000), p=0.25)), agent)
    assert got[0] == 0
    assert all(seen in (t, got[t - 1]) for t, seen in enumerate(got) if t)
    assert np.mean([seen != t for t, seen in enumerate(got)]) == pytest.approx(0.25, abs=0.04)


@every_agent
def test_repeat_holds_the_action_and_sums_rewards(simulator: Make, agent: str, length: int) -> None:
    rows = episode(wrapped("repeat", simulator(), k=3))
    assert observed_steps(rows, agent) == list(range(0, length + 1, 3))
    assert executed(rows, agent).tolist() == chosen(length // 3).tolist()
    assert rewards(rows, agent) == [3 * t - 3 for t in range(3, length + 1, 3)]


@every_agent
def test_repeat_ends_with_the_episode(simulator: Make, agent: str, length: int) -> None:
    rows = episode(wrapped("repeat", simulator(), k=5))
    assert observed_steps(rows, agent)[-1] == length
    assert column(rows[1:], agent, 2)[-1] is True
    assert sum(rewards(rows, agent)) == length * (length + 1) / 2


@every_agent
def test_time_limit_truncates_and_ends(simulator: Make, agent: str, length: int) -> None:
    limited = wrapped("time_limit", simulator(), steps=4)
    rows = episode(limited)
    assert len(rows) == 5
    assert column(rows[1:], agent, 3) == [False, False, False, True]
    assert column(rows[1:], agent, 2) == [False] * 4
    assert limited.actors == ()
    assert len(episode(limited)) == 5  # and begins again


@every_agent
def test_time_limit_leaves_shorter_episodes_alone(simulator: Make, agent: str, length: int) -> None:
    rows = episode(wrapped("time_limit", simulator(), steps=100))
    assert pack(rows) == pack(episode(simulator()))


def test_time_limit_truncates_only_agents_that_are_still_there() -> None:
    last = episode(wrapped("time_limit", Two(), steps=8))[-1]
    assert set(last) == {"long"}
    assert last["long"][3] is True


@every_agent
def test_reward_delay_pays_late_and_the_rest_at_the_end(simulator: Make, agent: str, length: int) -> None:
    paid = rewards(episode(wrapped("reward_delay", simulator(), steps=2)), agent)
    assert paid == [0, 0, *range(1, length - 2), (length - 2) + (length - 1) + length]


@every_agent
def test_reward_sparse_pays_sums_at_intervals_and_at_the_end(simulator: Make, agent: str, length: int) -> None:
    paid = rewards(episode(wrapped("reward_sparse", simulator(), every=5)), agent)
    assert paid[:6] == [0, 0, 0, 0, 15, 6 if length == 6 else 0]
    assert sum(paid) == length * (length + 1) / 2


@pytest.mark.parametrize(("simulator", "agent"), [(One, SINGLE_AGENT), (Two, "long")])
def test_reward_noise_is_absolute(simulator: Make, agent: str) -> None:
    residue = np.array(rewards(episode(wrapped("reward_noise", simulator(2000), sd=0.5)), agent)) - np.arange(1, 2001)
    assert residue.std() == pytest.approx(0.5, rel=0.1)
    assert residue.mean() == pytest.approx(0, abs=0.05)


@every_agent
def test_reward_sign_negates(simulator: Make, agent: str, length: int) -> None:
    assert rewards(episode(wrapped("reward_sign", simulator())), agent) == [-t for t in range(1, length + 1)]


@every_agent
def test_latency_is_a_delay_in_milliseconds_rounded_to_steps(simulator: Make, agent: str, length: int) -> None:
    for ms, steps in ((1.0, 1), (50.0, 2), (60.0, 3)):  # a step is 20 ms
        late = episode(wrapped("latency", simulator(), ms=ms))
        assert executed(late, agent).tolist() == [*[0.0] * steps, *chosen(length - steps)]
    twice = episode(wrapped("latency", wrapped("repeat", simulator(), k=2), ms=40.0))
    assert executed(twice, agent)[0] == 0
    assert executed(twice, agent)[1] == chosen(1)[0]


@every_agent
def test_action_bias_shifts_by_a_share_of_the_range_and_clips(simulator: Make, agent: str, length: int) -> None:
    got = executed(episode(wrapped("action_bias", simulator(), share=0.25)), agent)
    assert got == pytest.approx(chosen(length) + 0.5)  # the range is 2 wide
    top = np.ones(1, np.float32)
    assert executed(episode(wrapped("action_bias", simulator(), share=0.25), lambda t: top), agent).max() == 1


@pytest.mark.parametrize(("simulator", "agent"), [(One, SINGLE_AGENT), (Two, "long")])
def test_obs_mask_hides_the_same_numbers_for_a_whole_episode(simulator: Make, agent: str) -> None:
    masked = wrapped("obs_mask", simulator(), share=0.5)
    shares = []
    for seed in range(200):
        seen = np.array(column(episode(masked, seed=seed), agent, 0)[1:])
        hidden = (seen == 0).all(axis=0)
        assert (seen[:, ~hidden] != 0).all()
        shares.append(hidden.mean())
    assert np.mean(shares) == pytest.approx(0.5, abs=0.1)


@every_agent
def test_frame_stack_shows_the_last_ones_oldest_first(simulator: Make, agent: str, length: int) -> None:
    stacked = wrapped("frame_stack", simulator(), k=3)
    rows = episode(stacked)
    steps = np.array([observation[:, 0] for observation in column(rows, agent, 0)])
    assert steps[:4].tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]
    assert steps[-1].tolist() == [length - 2, length - 1, length]
    assert stacked.observation_spaces[agent].shape == (3, 2)
    assert stacked.observation_spaces[agent].contains(column(rows, agent, 0)[-1])


def test_pixels_show_the_picture_that_was_shrunk() -> None:
    drawn = wrapped("pixels", One())
    rows = episode(drawn)
    for t, picture in enumerate(column(rows, SINGLE_AGENT, 0)):
        assert drawn.observation_spaces[SINGLE_AGENT].contains(picture)
        assert (picture == t).all()


def test_shrinking_takes_means_over_areas() -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[:2, :3] = 100
    picture[0, 0] = 40
    assert shrunk(picture, 2)[..., 0].tolist() == [[90, 0], [0, 0]]
    uneven = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    assert shrunk(uneven, 2)[1, 0].tolist() == uneven[2:, :3].reshape(-1, 3).mean(axis=0).astype(int).tolist()


def test_a_classic_environment_is_seen_as_pixels() -> None:
    simulator = make("classic/cartpole:pixels()")
    picture = simulator.reset(EpisodeSeeds.of(0))
    assert simulator.observation_spaces[SINGLE_AGENT].contains(picture)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 2


@pytest.mark.parametrize("ref", ["pettingzoo/tictactoe", "openspiel/goofspiel", "mpe/simple_spread"])
@pytest.mark.parametrize("policy", ["random", "still", "copy"])
def test_partners_leave_one_agent_who_plays_whole_episodes(ref: str, policy: str) -> None:
    simulator = make(f"{ref}:partner(policy={policy})")
    rng = np.random.default_rng(0)
    for seed in range(5):
        observations = simulator.reset(EpisodeSeeds.of(seed))
        steps = 0
        while simulator.actors:
            assert simulator.actors == simulator.agents == tuple(observations)
            observations, rewards, terminations, truncations, _ = simulator.step(random_action(simulator, rng))
            assert set(rewards) <= set(simulator.agents)
            steps += 1
        assert steps
        assert any(terminations.values()) or any(truncations.values())


def test_partners_moves_are_rewarded_to_the_one_who_stays() -> None:
    """Random partners beat a learner who always takes the first free square now and then; he hears of it."""
    simulator = make("pettingzoo/tictactoe:partner(policy=random)")
    outcomes = set()
    for seed in range(60):
        simulator.reset(EpisodeSeeds.of(seed))
        (learner,) = simulator.agents
        total = 0.0
        while simulator.actors:
            mask = simulator.action_mask(learner)
            assert mask is not None
            total += simulator.step({learner: int(np.flatnonzero(mask)[0])})[1].get(learner, 0.0)
        outcomes.add(total)
    assert {-1.0, 1.0} <= outcomes


def test_partners_that_go_round_in_circles_end_the_episode() -> None:
    """In Go Fish copies of one question can go on for ever once the learner has no cards left."""
    simulator = make("openspiel/go_fish;players=4:partner(policy=copy)")
    rng = np.random.default_rng(0)
    for seed in range(3):
        simulator.reset(EpisodeSeeds.of(seed))
        while simulator.actors:
            _, _, _, truncations, _ = simulator.step(random_action(simulator, rng))
        if any(truncations.values()):
            return
    pytest.fail("no episode was cut")


def test_partners_follow_their_own_stream() -> None:
    def bits(seed: int) -> bytes:
        simulator = make("openspiel/goofspiel:partner(policy=random)")
        rng = np.random.default_rng(0)
        found = [simulator.reset(EpisodeSeeds.of(seed))]
        while simulator.actors:
            found.append(simulator.step(random_action(simulator, rng))[:4])
        return pack(found)

    assert bits(1) == bits(1)
    assert len({bits(seed) for seed in range(4)}) > 1


FIT_ALL = [modifier for modifier in modifiers().values() if modifier.name not in ("partner", "pixels")]
ALL = pytest.mark.parametrize("modifier", FIT_ALL, ids=lambda modifier: modifier.name)


@ALL
@pytest.mark.parametrize("simulator", [One, Two])
def test_a_saved_state_continues_with_the_same_bits_elsewhere(modifier: Modifier, simulator: Make) -> None:
    one, other = wrapped(modifier.name, simulator()), wrapped(modifier.name, simulator())
    one.reset(EpisodeSeeds.of(3))
    for t in range(1, 3):
        one.step(actions_for(one, act(t)))
    state = unpack(pack(one.save()))
    expected = pack(rest(one, t=3))
    for _ in range(2):  # a state stays good when a branch has gone on from it
        other.reset(EpisodeSeeds.of(4))
        other.load(state)
        assert pack(rest(other, t=3)) == expected


@ALL
@pytest.mark.parametrize("simulator", [One, Two])
def test_nothing_carries_over_between_episodes(modifier: Modifier, simulator: Make) -> None:
    used = wrapped(modifier.name, simulator())
    used.reset(EpisodeSeeds.of(1))
    for t in range(1, 4):
        used.step(actions_for(used, act(t)))
    assert pack(episode(used, seed=2)) == pack(episode(wrapped(modifier.name, simulator()), seed=2))


@ALL
@pytest.mark.parametrize("simulator", [One, Two])
def test_a_modifier_changes_what_happens(modifier: Modifier, simulator: Make) -> None:
    length = 210  # beyond the default time limit
    assert pack(episode(wrapped(modifier.name, simulator(length)))) != pack(episode(simulator(length)))


@pytest.mark.parametrize("name", ["sticky", "noise", "obs_noise", "obs_drop", "reward_noise"])
@pytest.mark.parametrize("simulator", [One, Two])
def test_random_modifiers_follow_the_seed_and_their_position(name: str, simulator: Make) -> None:
    def bits(seed: int, position: int) -> bytes:
        return pack(episode(wrapped(name, simulator(100), position), seed=seed))

    assert bits(0, 0) == bits(0, 0)
    assert len({bits(0, 0), bits(1, 0), bits(0, 1)}) == 3


def test_draws_do_not_depend_on_the_order_of_the_callers_dict() -> None:
    def run(turn: int) -> bytes:
        pair = wrapped("noise", Two())
        pair.reset(EpisodeSeeds.of(0))
        actions = dict([("long", act(1)), ("short", act(2))][::turn])
        return pack(sorted((agent, row.tolist()) for agent, row in pair.step(actions)[0].items()))

    assert run(1) == run(-1)


def test_modifiers_apply_left_to_right_innermost_first() -> None:
    scaled_then_delayed = make("classic/pendulum:action_scale(gain=0.5):delay(steps=2)")
    assert type(scaled_then_delayed).__name__ == "_Delayed"
    limit_inside = wrapped("repeat", wrapped("time_limit", One(), steps=4), 1, k=3)
    limit_outside = wrapped("time_limit", wrapped("repeat", One(), k=3), 1, steps=4)
    assert observed_steps(episode(limit_inside), SINGLE_AGENT) == [0, 3, 4]
    assert observed_steps(episode(limit_outside), SINGLE_AGENT) == [0, 3, 6, 9, 12]


def game(ref: str) -> list[tuple[Any, ...]]:
    probe = Probe(parse(ref))
    return list(probe.answers(probe.random, 0, 40))


def test_reward_modifiers_work_for_turns() -> None:
    plain, negated = game("pettingzoo/tictactoe"), game("pettingzoo/tictactoe:reward_sign()")
    paid = [row[1] for row in plain if len(row) > 1]
    assert any(reward for one in paid for reward in one.values())
    assert [row[1] for row in negated if len(row) > 1] == [{a: 0 - r for a, r in one.items()} for one in paid]


def test_observation_modifiers_work_by_each_agents_own_turns() -> None:
    plain, late = game("pettingzoo/tictactoe"), game("pettingzoo/tictactoe:obs_delay(steps=1)")
    first_game = [i for i, row in enumerate(plain) if len(row) == 1][1]

    def seen(rows: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
        by_agent: dict[str, list[Any]] = {}
        for row in rows[:first_game]:
            for agent, observation in row[0].items():
                by_agent.setdefault(agent, []).append(observation)
        return by_agent

    for agent, observations in seen(plain).items():
        assert pack(seen(late)[agent]) == pack([observations[0], *observations[:-1]])


def traits(**changes: Any) -> Traits:
    plain: dict[str, Any] = {
        "kind": Kind.SINGLE,
        "actions": Actions.CONTINUOUS,
        "observations": Observations.VECTOR,
        "timed": True,
    }
    return Traits(**(plain | changes))


@ALL
def test_every_modifier_fits_continuous_control(modifier: Modifier) -> None:
    assert modifier.fits(traits()) is None


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("delay", {"actions": Actions.MASKED}, "needs continuous or discrete actions; here they are masked"),
        ("sticky", {"actions": Actions.MASKED}, "needs continuous or discrete actions; here they are masked"),
        ("repeat", {"actions": Actions.MASKED}, "needs continuous or discrete actions; here they are masked"),
        ("delay", {"kind": Kind.TURN}, "needs single or parallel turns; here they are turn"),
        ("sticky", {"kind": Kind.TURN}, "needs single or parallel turns; here they are turn"),
        ("noise", {"actions": Actions.DISCRETE}, "needs continuous actions; here they are discrete"),
        ("latency", {"timed": False}, "needs an environment with physical time"),
        ("pixels", {}, "needs an environment that can be drawn"),
        ("partner", {}, "needs parallel or turn turns; here they are single"),
        ("obs_noise", {"observations": Observations.IMAGE}, "needs vector observations; here they are image"),
    ],
)
def test_a_modifier_says_why_it_does_not_fit(name: str, changes: dict[str, Any], reason: str) -> None:
    assert modifiers()[name, 1].fits(traits(**changes)) == reason


def test_every_axis_of_a_modifier_is_described() -> None:
    for modifier in modifiers().values():
        assert modifier.description.endswith(".")
        assert modifier.source
        assert all(axis.description for axis in modifier.axes)


def test_continuous_families_have_ranges_that_noise_can_be_a_fraction_of() -> None:
    for family in families().values():
        if family.traits.actions is Actions.CONTINUOUS:
            simulator = make(family.name)
            for space in simulator.action_spaces.values():
                assert isinstance(space, Box)
                assert space.is_bounded("both"), family.name
            simulator.close()
