use super::*;

fn field() -> Field {
    Field { replicas: (1..=6).collect(), fronted: vec![2, 4], elsewhere: Vec::new(), lacks: BTreeMap::new() }
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

#[test]
fn the_same_seed_gives_the_same_plan() {
    let list = FaultList::usual();
    let plan = draw(&list, &field(), minutes(10), 7);
    assert_eq!(plan, draw(&list, &field(), minutes(10), 7));
    assert_ne!(plan, draw(&list, &field(), minutes(10), 8));
    assert!(plan.len() > 20, "{}", plan.len());
}

#[test]
fn what_the_machine_permits_changes_no_draw() {
    let list = FaultList::usual();
    let poor = Field { lacks: BTreeMap::from([(Kind::Loss, "there is no nft command".into())]), ..field() };
    let (here, there) = (draw(&list, &field(), minutes(20), 3), draw(&list, &poor, minutes(20), 3));
    assert_eq!(here.len(), there.len());
    for (here, there) in here.iter().zip(&there) {
        assert_eq!((&here.fault, here.when), (&there.fault, there.when));
        let expected = (here.fault.kind == Kind::Loss).then_some("there is no nft command");
        assert_eq!(there.skip.as_deref(), expected);
    }
    assert!(there.iter().any(|planned| planned.skip.is_some()));
}

#[test]
fn only_what_the_driver_holds_is_broken() {
    let text = "[[fault]]\nkind = \"kill\"\n[[fault]]\nkind = \"pause\"\ntargets = 2\n\
        [[fault]]\nkind = \"pause\"\ntargets = \"half\"\n[[fault]]\nkind = \"kill\"\ntargets = \"all\"\n\
        [[fault]]\nkind = \"kill\"\nreplicas = [3]\n";
    let list = FaultList::parse(text).expect("a list");
    let field = Field { replicas: vec![1, 2, 3], elsewhere: vec![2, 3], ..field() };
    let drawn = [draw(&list, &field, minutes(10), 7), one_of_each(&list, &field, minutes(1), 7)].concat();
    let is_made = |planned: &Planned| planned.skip.is_none() && !planned.fault.kind.is_of_clients();
    let made = drawn.iter().filter(|planned| is_made(planned) && !planned.fault.kind.is_of_store());
    assert!(made.clone().count() > 10 && made.clone().all(|planned| planned.fault.replicas == [1]), "{drawn:?}");
    let skipped: Vec<&Planned> = drawn.iter().filter(|planned| planned.fault.replicas.len() > 1).collect();
    assert!(!skipped.is_empty());
    for planned in skipped {
        let why = planned.skip.as_deref().expect("replicas of others");
        assert!(why.contains("does not hold replica") || why.contains("does not stand"), "{why}");
    }
}

#[test]
fn weights_and_gaps_are_kept() {
    let text =
        "gap = \"2s..4s\"\n[[fault]]\nkind = \"pause\"\nweight = 9\n[[fault]]\nkind = \"loss\"\nreplicas = [2]\n";
    let list = FaultList::parse(text).expect("a list");
    let plan = draw(&list, &field(), minutes(60), 1);
    let pauses = plan.iter().filter(|planned| planned.fault.kind == Kind::Pause).count();
    assert!(pauses * 10 > plan.len() * 8 && pauses < plan.len(), "{pauses} of {}", plan.len());
    for planned in &plan {
        let When::After(gap) = planned.when else { panic!("{planned:?}") };
        assert!((Duration::from_secs(2)..=Duration::from_secs(4)).contains(&gap), "{gap:?}");
        assert!(planned.fault.kind == Kind::Pause || planned.fault.replicas == [2]);
        assert_eq!(planned.fault.replicas.len(), 1);
    }
}

#[test]
fn no_replica_is_killed_more_often_than_its_cluster_bears() {
    let text = "gap = \"100ms\"\n[[fault]]\nkind = \"kill\"\ntargets = \"all\"\n[[fault]]\nkind = \"crash_loop\"\n";
    let list = FaultList::parse(text).expect("a list");
    let mut at = Duration::ZERO;
    let mut deaths: Vec<(Duration, u16, u64)> = Vec::new();
    for planned in draw(&list, &field(), minutes(5), 5) {
        let (When::After(gap) | When::At(gap)) = planned.when;
        at += gap;
        let more = planned.fault.kind.deaths(planned.fault.amount);
        deaths.extend(planned.fault.replicas.iter().map(|replica| (at, *replica, more)));
    }
    assert!(deaths.len() > 10, "{deaths:?}");
    for (at, replica, _) in &deaths {
        let since = at.saturating_sub(Duration::from_secs(29));
        let recent = deaths.iter().filter(|death| death.1 == *replica && (since..=*at).contains(&death.0));
        assert!(recent.map(|death| death.2).sum::<u64>() <= 4, "replica {replica} at {at:?}");
    }
}

#[test]
fn a_timetable_is_taken_as_it_is() {
    let text =
        "[[fault]]\nkind = \"partition\"\nat = \"20s\"\nreplicas = [3, 9]\n[[fault]]\nkind = \"kill\"\nat = \"5s\"\n";
    let plan = draw(&FaultList::parse(text).expect("a list"), &field(), minutes(1), 1);
    assert_eq!(plan.iter().map(|planned| planned.fault.kind).collect::<Vec<_>>(), [Kind::Kill, Kind::Partition]);
    assert_eq!(plan[0].when, When::At(Duration::from_secs(5)));
    assert_eq!(plan[1].skip.as_deref(), Some("there is no replica 9"));
}

#[test]
fn what_goes_through_the_proxy_is_done_to_the_replica_behind_it() {
    let text = "[[fault]]\nkind = \"latency\"\ntargets = \"half\"\n[[fault]]\nkind = \"rolling-restart\"\n";
    let plan = draw(&FaultList::parse(text).expect("a list"), &field(), minutes(5), 1);
    for planned in plan {
        assert_eq!(planned.skip, None);
        if planned.fault.kind == Kind::Latency {
            assert!([&[2][..], &[4], &[2, 4]].contains(&planned.fault.replicas.as_slice()), "{planned:?}");
        } else {
            assert_eq!(planned.fault.replicas, [1, 2, 3, 4, 5, 6]);
        }
    }
    let named = "[[fault]]\nkind = \"cut\"\nreplicas = [4, 5]\n";
    let plan = draw(&FaultList::parse(named).expect("a list"), &field(), minutes(1), 1);
    assert_eq!(plan[0].skip.as_deref(), Some("the fault proxy does not stand in front of replica 5"));
}

#[test]
fn each_entry_comes_up_before_any_comes_up_by_weight() {
    let list = FaultList::usual();
    for seed in 0..20 {
        let plan = draw(&list, &field(), minutes(10), seed);
        for kind in list.choices.iter().map(|choice| choice.kind) {
            let first = plan.iter().position(|planned| planned.fault.kind == kind).expect("each comes up");
            // A few more than the list has where one had to wait for another that kills.
            assert!(first < list.choices.len() + 5, "{kind:?} is number {first} for seed {seed}");
        }
    }
}

/// `bench/chaos.sh` wants a hundred faults of twenty kinds out of a quarter of an hour.
#[test]
fn the_long_list_gives_a_hundred_faults_of_every_kind_in_its_time() {
    let list = FaultList::parse(include_str!("../../../../../bench/faults-hundred.toml")).expect("a list");
    let all = Field {
        replicas: (1..=12).collect(),
        fronted: (1..=12).collect(),
        elsewhere: Vec::new(),
        lacks: BTreeMap::new(),
    };
    let listed: std::collections::BTreeSet<&str> = list.choices.iter().map(|choice| choice.kind.name()).collect();
    let missing: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).filter(|name| !listed.contains(name)).collect();
    assert!(missing.is_empty(), "the list has no {missing:?}");
    for seed in 0..20 {
        let plan = draw(&list, &all, minutes(15), seed);
        // From the effect until all is well and the load is as before it takes up to 5 s, and for some a few more.
        let settling = Duration::from_secs(5);
        let taken = |planned: &Planned| match planned.when {
            When::After(gap) | When::At(gap) => gap + planned.fault.hold + settling,
        };
        let first: Duration = plan[..110].iter().map(taken).sum();
        let kinds: std::collections::BTreeSet<Kind> = plan[..110].iter().map(|planned| planned.fault.kind).collect();
        assert!(first <= minutes(15), "110 faults take {first:?} with seed {seed}");
        assert!(kinds.len() == Kind::ALL.len(), "{} kinds with seed {seed}", kinds.len());
    }
}

#[test]
fn there_is_one_of_each_kind_on_replicas_in_turn() {
    let gap = Duration::from_secs(1);
    let poor = Field { lacks: BTreeMap::from([(Kind::Loss, "there is no nft command".into())]), ..field() };
    let planned = one_of_each(&FaultList::usual(), &poor, gap, 7);
    let kinds: std::collections::BTreeSet<Kind> = planned.iter().map(|planned| planned.fault.kind).collect();
    assert_eq!((planned.len(), kinds.len()), (Kind::ALL.len() - 1, Kind::ALL.len() - 1), "all but the user's own");
    for one in &planned {
        let expected = (one.fault.kind == Kind::Loss).then_some("there is no nft command");
        assert_eq!(one.skip.as_deref(), expected, "{one:?}");
        match one.fault.kind {
            kind if kind.is_of_store() || kind.is_of_clients() => assert!(one.fault.replicas.is_empty(), "{one:?}"),
            kind if kind.is_of_all() => assert_eq!(one.fault.replicas, poor.replicas),
            kind if kind.needs() == Needs::Proxy => {
                assert!([[2], [4]].iter().any(|fronted| one.fault.replicas == *fronted), "{one:?}");
            }
            _ => assert_eq!(one.fault.replicas.len(), 1, "{one:?}"),
        }
    }
    let own = "[[fault]]\nkind = \"command\"\nname = \"a\"\ninject = [\"x\"]\neffect = [\"y\"]\n[[fault]]\nkind = \"loss\"\npercent = 50\n";
    let planned = one_of_each(&FaultList::parse(own).expect("a list"), &field(), gap, 7);
    assert_eq!((planned[0].fault.name(), planned[1].fault.amount), ("a", 50), "the list's own come first");
    assert_eq!(planned.len(), Kind::ALL.len());
}

#[test]
fn the_store_is_no_replicas() {
    let text = "[[fault]]\nkind = \"store_killed\"\n[[fault]]\nkind = \"store-slow\"\nms = 20\n";
    let plan = draw(&FaultList::parse(text).expect("a list"), &field(), minutes(5), 1);
    assert!(plan.iter().any(|planned| planned.fault.kind == Kind::StoreKilled));
    for planned in plan {
        let Fault { kind, replicas, amount, .. } = &planned.fault;
        assert!(replicas.is_empty() && planned.skip.is_none() && planned.fault.is_healed());
        assert_eq!(*amount, if *kind == Kind::StoreSlow { 20 } else { 0 });
        assert_eq!(planned.fault.targets(), "the store");
    }
}
