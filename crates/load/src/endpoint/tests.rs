use super::health::{Around, Health, How, Verdict};

const S: u64 = 1_000_000;

fn around(now_us: u64, open: u32) -> Around {
    Around { now_us, open, elsewhere: true }
}

#[test]
fn one_lost_connection_condemns_nobody() {
    let mut health = Health::new();
    health.lost(S, false, 1, 99);
    assert_eq!(health.judge(around(S, 99)), Verdict::Nothing);
    assert_eq!(health.judge(around(10 * S, 99)), Verdict::Nothing);
    assert!(health.is_eligible());
}

#[test]
fn all_connections_lost_is_a_dead_replica() {
    let mut health = Health::new();
    let ids = [health.lost(S, false, 7, 2), health.lost(S + 10, false, 8, 1), health.lost(S + 20, false, 9, 0)];
    assert_eq!(ids, [7, 7, 7], "one incident");
    assert_eq!(health.judge(around(S + 20, 0)), Verdict::Down(How::Reset));
    assert_eq!(health.set_down(S + 20, 10).lost, 3);
    assert!(!health.is_eligible());
}

#[test]
fn an_answer_written_after_the_loss_ends_the_incident() {
    let mut health = Health::new();
    for left in [99, 98, 97] {
        health.lost(S, false, 1, left);
    }
    health.answered(S + 5, S - 100);
    assert!(health.incident().is_some(), "an answer to what was written before the loss proves nothing");
    health.answered(S + 900, S + 100);
    assert!(health.incident().is_none());
    assert_eq!(health.judge(around(S + 900, 97)), Verdict::Nothing);
}

#[test]
fn three_losses_are_checked_before_the_others_are_abandoned() {
    let mut health = Health::new();
    for left in [99, 98, 97] {
        health.lost(S, false, 1, left);
    }
    assert_eq!(health.judge(around(S, 97)), Verdict::Check);
    health.check_sent(S);
    assert_eq!(health.judge(around(S + 400_000, 97)), Verdict::Nothing);
    assert_eq!(health.judge(around(S + 500_000, 97)), Verdict::Down(How::Unanswered));
    health.check_failed(S + 100, false);
    assert_eq!(health.judge(around(S + 100, 97)), Verdict::Down(How::Reset));
    let alone = Around { elsewhere: false, ..around(S + 100, 97) };
    assert_eq!(health.judge(alone), Verdict::Nothing, "nowhere to go, so what is left is kept");
    health.check_answered(S + 200);
    assert_eq!(health.judge(around(S + 200, 97)), Verdict::Nothing);
}

#[test]
fn half_of_the_connections_lost_is_a_dead_replica() {
    let mut health = Health::new();
    for left in (52..100).rev() {
        health.lost(S, false, 1, left);
    }
    assert_eq!(health.judge(around(S, 52)), Verdict::Check);
    for left in [51, 50] {
        health.lost(S, false, 1, left);
    }
    assert_eq!(health.judge(around(S, 50)), Verdict::Down(How::Reset));
    let alone = Around { elsewhere: false, ..around(S, 50) };
    assert_eq!(health.judge(alone), Verdict::Check, "what is left is kept where there is nowhere to go");
}

#[test]
fn a_replica_that_answers_while_its_resets_are_read_was_lost_for_a_moment() {
    let mut health = Health::new();
    for left in [9, 8, 7] {
        health.lost(S, false, 1, left);
    }
    health.check_answered(S + 100);
    assert!(health.incident().is_none() && health.broken().is_none(), "three of ten");
    assert_eq!(health.lost(S + 200, false, 2, 6), 1, "of the same second: the same incident");
    assert_eq!(health.lost(S + 300, false, 2, 5), 1);
    assert_eq!(health.broken().map(|incident| incident.lost), Some(5));
    assert_eq!(health.judge(around(S + 300, 5)), Verdict::Nothing, "it answers: it is used");
    assert_eq!(health.lost(3 * S, false, 2, 4), 2, "a later loss is another incident");
    assert!(health.broken().is_none());
}

#[test]
fn losses_far_apart_do_not_add_up() {
    let mut health = Health::new();
    for second in 1..10 {
        health.lost(second * 2 * S, false, second as u32, 50);
    }
    assert_eq!(health.incident().map(|incident| incident.lost), Some(1));
    assert_eq!(health.judge(around(18 * S, 50)), Verdict::Nothing);
}

#[test]
fn silence_is_checked_then_given_up() {
    let mut health = Health::new();
    health.wrote(S);
    health.wrote(S);
    assert_eq!(health.judge(around(3 * S, 10)), Verdict::Nothing, "two unanswered requests are not enough");
    health.wrote(3 * S);
    assert_eq!(health.judge(around(3 * S + 249_999, 10)), Verdict::Nothing);
    assert_eq!(health.judge(around(3 * S + 250_000, 10)), Verdict::Check);
    health.check_sent(3 * S + 250_000);
    assert_eq!(health.judge(around(3 * S + 499_999, 10)), Verdict::Nothing);
    assert_eq!(health.judge(around(3 * S + 500_000, 10)), Verdict::Down(How::Unanswered));
    let alone = Around { elsewhere: false, ..around(9 * S, 10) };
    assert_eq!(health.judge(alone), Verdict::Nothing, "the only endpoint is waited for");
}

#[test]
fn a_slow_tool_does_not_condemn_its_server() {
    let mut health = Health::new();
    for _ in 0..5 {
        health.wrote(S);
    }
    let mut now_us = S;
    for _ in 0..20 {
        now_us += 260_000;
        assert_eq!(health.judge(around(now_us, 10)), Verdict::Check);
        health.check_sent(now_us);
        health.check_answered(now_us + 2_000);
    }
    assert!(health.is_eligible());
}

#[test]
fn answers_in_between_break_the_silence() {
    let mut health = Health::new();
    for _ in 0..5 {
        health.wrote(S);
    }
    health.answered(S + 400_000, S);
    assert_eq!(health.judge(around(S + 600_000, 10)), Verdict::Nothing);
    for _ in 0..2 {
        health.ended_unanswered();
    }
    assert_eq!(health.judge(around(9 * S, 10)), Verdict::Nothing, "only two are left unanswered");
}

#[test]
fn packets_without_acknowledgement_count_when_nothing_else_answers() {
    let mut health = Health::new();
    health.answered(9 * S, 9 * S);
    health.lost(9 * S + 100_000, true, 1, 10);
    assert_eq!(health.judge(around(9 * S + 100_000, 10)), Verdict::Check);
    assert_eq!(health.judge(around(9 * S + 500_000, 10)), Verdict::Down(How::UserTimeout));
}

#[test]
fn a_refused_connect_keeps_new_connections_away_and_nothing_else() {
    let mut health = Health::new();
    health.refused(S);
    assert!(!health.is_eligible());
    assert!(!health.is_down());
    assert_eq!(health.judge(around(S, 500)), Verdict::Check);
    health.check_sent(S);
    health.check_failed(S + 50, false);
    assert_eq!(health.judge(around(S + 100_000, 500)), Verdict::Nothing, "checked every 250 ms");
    assert_eq!(health.judge(around(S + 250_000, 500)), Verdict::Check);
    health.check_sent(S + 250_000);
    health.check_answered(S + 251_000);
    assert!(health.is_eligible());
}

#[test]
fn a_lost_replica_is_asked_again_until_it_answers() {
    let mut health = Health::new();
    health.set_down(S, 1);
    assert_eq!(health.judge(around(S, 0)), Verdict::Check);
    health.check_sent(S);
    health.check_failed(S + 10, false);
    health.opened();
    assert!(!health.is_eligible(), "an opening that was under way does not bring it back");
    assert_eq!(health.judge(around(S + 250_000, 0)), Verdict::Check);
    health.check_sent(S + 250_000);
    health.check_answered(S + 260_000);
    assert!(health.is_eligible() && !health.is_down());
    assert!(!health.is_watched());
}

#[test]
fn time_in_which_nobody_listened_is_no_silence() {
    let mut health = Health::new();
    for _ in 0..3 {
        health.wrote(S);
    }
    health.check_sent(S + 300_000);
    health.forgive(2 * S, S + 2_350_000);
    assert_eq!(health.judge(around(S + 2_350_000, 10)), Verdict::Nothing, "350 ms of silence were observed");
    assert_eq!(health.judge(around(S + 2_499_999, 10)), Verdict::Nothing);
    assert_eq!(health.judge(around(S + 2_500_000, 10)), Verdict::Down(How::Unanswered));
    health.answered(S + 3_000_000, S);
    health.forgive(S, S + 3_000_001);
    assert_eq!(health.judge(around(S + 3_000_001, 10)), Verdict::Nothing, "an answer is never in the future");
}
