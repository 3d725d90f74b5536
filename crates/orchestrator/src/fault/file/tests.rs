use super::*;

fn wrong(text: &str) -> String {
    FaultList::parse(text).expect_err(text)
}

#[test]
fn the_usual_list_is_good() {
    let list = FaultList::usual();
    assert!(list.choices.len() > 10 && !list.is_timetable());
    assert_eq!((list.gap, list.at_once, list.ends()), (GAP, 1, None));
}

#[test]
fn everything_can_be_said() {
    let list = FaultList::parse(
        r#"
        gap = "1s..2500ms"
        at_once = 2
        [[fault]]
        kind = "loss"
        weight = 3
        percent = 20
        targets = "half"
        hold = "10s"
        [[fault]]
        kind = "crash-loop"
        times = 2
        replicas = [1, 2]
        [[fault]]
        kind = "command"
        name = "db"
        inject = ["stop", "{replica}"]
        effect = ["is-down"]
        heal = ["start"]
        within = "2s"
        "#,
    );
    let list = list.expect("a list");
    assert_eq!((list.gap.1, list.at_once), (Duration::from_millis(2_500), 2));
    let loss = &list.choices[0];
    assert_eq!((loss.kind, loss.weight, loss.amount, &loss.targets), (Kind::Loss, 3, 20, &Targets::Half));
    assert_eq!(loss.hold, Duration::from_secs(10));
    assert_eq!((list.choices[1].amount, &list.choices[1].targets), (2, &Targets::These(vec![1, 2])));
    let command = list.choices[2].command.as_ref().expect("commands");
    assert_eq!((command.name.as_str(), command.inject.len(), command.verify.len()), ("db", 2, 0));
    assert_eq!((command.within, &list.choices[2].targets), (Duration::from_secs(2), &Targets::None));
}

#[test]
fn a_timetable_has_an_end() {
    let list = FaultList::parse("[[fault]]\nkind = \"pause\"\nat = \"20s\"\nhold = \"1s\"\n").expect("a list");
    assert!(list.is_timetable());
    assert_eq!(list.ends(), Some(Duration::from_secs(21)));
}

#[test]
fn what_is_wrong_is_said() {
    assert_eq!(wrong(""), "there is no [[fault]] in it");
    assert!(wrong("[[fault]]\nkind = \"kil\"\n").starts_with("fault 1: there is no kind \"kil\"; there are kill, "));
    assert_eq!(wrong("[[fault]]\nkind = \"kill\"\npercent = 3\n"), "fault 1: kill takes no \"percent\"");
    assert_eq!(wrong("[[fault]]\nkind = \"kill\"\nhold = \"3s\"\n"), "fault 1: kill only happens: it takes no hold");
    assert!(wrong("[[fault]]\nkind = \"loss\"\npercent = 200\n").contains("from 1 to 99, not 200"));
    assert!(wrong("[[fault]]\nkind = \"loss\"\ntargets = 0\n").contains("targets is a number from 1"));
    let why = wrong("[[fault]]\nkind = \"store-full\"\ntargets = 2\n");
    assert!(why.starts_with("fault 1: store_full is about the store"), "{why}");
    assert!(wrong("[[fault]]\nkind = \"command\"\nname = \"x\"\n").contains("needs inject"));
    assert!(wrong("at_once = 0\n[[fault]]\nkind = \"kill\"\n").contains("at_once"));
    assert!(wrong("gap = \"5s..1s\"\n[[fault]]\nkind = \"kill\"\n").contains("ends before it begins"));
    assert!(wrong("often = 1\n[[fault]]\nkind = \"kill\"\n").contains("often"));
    let mixed = "[[fault]]\nkind = \"kill\"\nat = \"1s\"\n[[fault]]\nkind = \"kill\"\n";
    assert_eq!(wrong(mixed), "either every fault has an `at`, or none has");
}
