use super::*;

/// What `erlmcp stress` asks for without a flag, always the same.
pub(crate) fn plain() -> StressConfig {
    StressConfig { seed: Some(7), ..StressConfig::default() }
}

#[test]
fn nothing_said_is_the_default_run() {
    let config = plain();
    config.check().expect("the default run is fine");
    assert_eq!((config.connections(), config.rate(), config.duration()), (100_000, 12_000.0, Duration::from_secs(60)));
    assert_eq!(config.warmup(), Duration::from_secs(10));
    assert_eq!(config.chosen_phases().expect("all"), [true; 6]);
}

#[test]
fn a_short_run_warms_up_for_a_third() {
    let config = StressConfig { duration: Some(Duration::from_secs(15)), ..plain() };
    assert_eq!(config.warmup(), Duration::from_secs(5));
}

#[test]
fn half_a_second_is_a_duration() {
    let config = StressConfig { duration: Some(Duration::from_millis(500)), ..plain() };
    config.check().expect("500ms can be run");
    assert!(config.warmup() > Duration::ZERO && config.warmup() < config.duration());
}

#[test]
fn what_cannot_be_run_is_refused() {
    type Change = fn(&mut StressConfig);
    let wrong: [(Change, &str); 17] = [
        (|c| c.connections = Some(0), "connections"),
        (|c| c.rate = Some(0.0), "--rate"),
        (|c| c.ramp_rate = f64::NAN, "--ramp-rate"),
        (|c| c.agents = Some(0), "--agents"),
        (|c| (c.connections, c.agents) = (Some(3), Some(4)), "--agents"),
        (|c| c.duration = Some(Duration::from_millis(99)), "duration"),
        (|c| c.warmup = Some(Duration::from_secs(60)), "--warmup"),
        (|c| c.timeout = Duration::ZERO, "--timeout"),
        (|c| (c.target, c.replicas) = (Some("http://a".into()), Some(3)), "--replicas"),
        (|c| c.target_pid = Some(1), "--target-pid"),
        (|c| c.tool = Some(ToolCall { name: "x".into(), arguments: "[1]".into() }), "--args"),
        (|c| c.streams = u64::MAX, "--streams"),
        (|c| c.change_tool = Some(ToolCall { name: "x".into(), arguments: String::new() }), "--change-tool"),
        (
            |c| (c.streams, c.change_tool) = (1, Some(ToolCall { name: "x".into(), arguments: "[1]".into() })),
            "--change-args",
        ),
        (|c| c.insecure = true, "--insecure"),
        (|c| (c.target, c.ca_pem) = (Some("http://a".into()), "-".into()), "--cacert"),
        (|c| c.headers = vec![("a b".into(), "c".into())], "--header"),
    ];
    for (change, named) in wrong {
        let mut config = plain();
        change(&mut config);
        let error = config.check().expect_err(named);
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(named), "{error} does not name {named}");
    }
}
