from __future__ import annotations

PE = "NIFTY01DEC2624500PE"
CE = "NIFTY01DEC2624500CE"


def test_both_legs_are_bought_protected_and_leave_at_their_targets(run_desk) -> None:
    async def scenario(rig):
        await rig.enter(100.0)
        print("\n".join(rig.texts()))
        print(rig.calls if hasattr(rig, "calls") else [c[0] + " " + str(c[1]) for c in rig.venue.calls])
        assert [rig.leg(s).bracket.open_qty for s in (PE, CE)] == [65, 65]
        rig.tick(PE, 102.0)
        await rig.quiet(1.0, {PE: 102.0, CE: 100.0})
        print("\n".join(rig.texts()))
        assert not rig.leg(PE).is_active
        assert rig.leg(CE).is_active
        print(rig.console.view())

    run_desk(scenario)
