//! One line of every kind of row, as records on disk have it: a change of the format changes this test's file, and
//! then the record's version.

use std::collections::BTreeMap;

use erlmcp_record::{
    AgentSample, Axis, BlockRow, CapacityAsked, CapacityRow, ChangeRow, ClockRow, ClusterSample, ConfigRow,
    ConnectionRow, Dialogue, EndRow, Ended, Entry, EpisodeRow, FanOutRow, Fate, FateCounts, FaultRow, FindingRow, Hist,
    IntervalRow, JoinedRow, KernelSample, Kind, LimitBy, LimitRow, Machine, MembershipRow, MemorySource,
    MisbehavingRow, PhaseEvent, PhaseRow, RECORD_VERSION, ReplicaCounts, ReplicaSample, RunHeader, ScenarioRow,
    SearchBounds, Slot, StreamRow, TargetRow, Threshold, TrialOutcome, TrialRow,
};

const GOLDEN: &str = include_str!("golden.jsonl");

fn fates(counts: &[(Fate, u64)]) -> FateCounts {
    let mut fates = FateCounts::default();
    counts.iter().for_each(|(fate, count)| fates.add(*fate, *count));
    fates
}

fn hist() -> Option<Hist> {
    let mut hist = Hist::new();
    [900, 1_200, 55_000].into_iter().for_each(|us| hist.record_us(us));
    Some(hist)
}

pub(crate) fn header() -> RunHeader {
    RunHeader {
        record_version: RECORD_VERSION,
        run_id: "stress-test-20261125-120000".into(),
        version: "0.1.0".into(),
        command: "stress".into(),
        command_line: vec!["erlmcp".into(), "stress".into()],
        started_at: "2026-11-25T12:00:00+01:00".into(),
        monotonic_base_ns: 81_000_000_000,
        machine: Machine {
            cpu: "A CPU".into(),
            cores: 2,
            memory_bytes: 8_589_934_592,
            kernel: "6.1.0".into(),
            descriptors: 20_000,
        },
    }
}

fn config() -> ConfigRow {
    ConfigRow {
        target: "http://127.0.0.1:8080/mcp".into(),
        own_cluster: true,
        attached: false,
        colocated: true,
        connections: 100_000,
        streams: 0,
        duration_ms: 60_000,
        rate: 12_000.0,
        arrivals: "constant".into(),
        ramp_rate: 5_000.0,
        warmup_ms: 10_000,
        timeout_ms: 5_000,
        replicas: 12,
        agents: 6,
        era: "modern".into(),
        calls: "tools/call echo".into(),
        workload: None,
        queued_calls: Some("tools/call work".into()),
        seed: 7,
        phases: vec!["baseline".into(), "ramp_up".into()],
        failure_scenarios: 3,
        performance_scenarios: 4,
        spread: "round robin".into(),
        close: "reset".into(),
        require_all: false,
        thresholds: BTreeMap::from([("sla.p95_ms".into(), Threshold { value: 50.0, changed: true })]),
        asserts: None,
    }
}

fn interval() -> IntervalRow {
    let all = fates(&[(Fate::Ok, 2), (Fate::TimedOut, 1)]);
    IntervalRow {
        agent: 1,
        phase: 3,
        block: 30_000,
        kind: Kind::Load,
        class: 0,
        second: 42,
        planned: 3,
        fates: all,
        causes: BTreeMap::from([("no answer".into(), 1)]),
        slots: vec![Slot { slot: 9, planned: 3, fates: all }],
        by_replica: vec![ReplicaCounts { replica: 4, planned: 3, fates: all }],
        latency: hist(),
        raw_latencies_us: Vec::new(),
        service: hist(),
        headers: None,
        first_event: None,
        send_lag: hist(),
        receive_lag: None,
        operation: None,
        retries: 2,
        held_back: 0,
        refusals: 2,
        surplus_answers: 1,
        dialogue: Dialogue {
            answered: BTreeMap::from([("elicitation".into(), 2)]),
            unanswered: 1,
            rounds: 3,
            resumed: 4,
        },
    }
}

/// A row of requests with nothing in it that may be left out.
fn plain_interval() -> IntervalRow {
    let IntervalRow { agent, phase, block, kind, second, planned, .. } = interval();
    IntervalRow { planned, ..IntervalRow::empty(agent, phase, block, kind, second) }
}

fn connections() -> ConnectionRow {
    ConnectionRow {
        agent: 1,
        phase: 2,
        second: 12,
        open: 4_999,
        renewing: 0,
        by_replica: vec![(1, 2_500), (2, 2_499)],
        planned: 850,
        started: 851,
        opened: 849,
        reopened: 1,
        closed: 0,
        failed: BTreeMap::from([("connection refused".into(), 2)]),
        lost: BTreeMap::from([("connection reset".into(), 1)]),
        late: hist(),
        established: None,
        first_answer: None,
    }
}

fn streams() -> [Entry; 3] {
    [
        Entry::Streams(StreamRow {
            agent: 1,
            phase: 3,
            second: 42,
            held: 4_999,
            by_replica: vec![(1, 2_500), (2, 2_499)],
            planned: 850,
            acknowledged: 849,
            reopened: 1,
            ended: 2,
            closed: 3,
            events: 5_000,
            surplus: None,
            strayed: None,
            keep_alives: 7,
            failed: BTreeMap::from([("http 405".into(), 2)]),
            lost: BTreeMap::from([("connection reset".into(), 1)]),
            away: None,
            opening: hist(),
        }),
        Entry::Change(ChangeRow {
            phase: 3,
            change: 1,
            at_us: 42_000_000,
            bound_us: 4_000_000,
            method: "tools/call touch".into(),
            failed: Some("rpc -32603".into()),
        }),
        Entry::FanOut(FanOutRow {
            agent: 1,
            phase: 3,
            change: 1,
            streams: 5_000,
            heard: 4_998,
            missed: 1,
            lost: 1,
            last_us: Some(42_090_000),
            latency: hist(),
            receive_lag: hist(),
        }),
    ]
}

fn cluster() -> ClusterSample {
    let told = ReplicaSample {
        replica: 1,
        pid: Some(4_711),
        ready: true,
        connections: Some(8_333),
        requests_total: Some(120_000),
        queue_depth: Some(0),
        queue_limit: Some(1_024),
        refused_total: Some(3),
        streams: Some(0),
        tools: None,
        sessions: None,
        sessions_held: None,
        longest_stall_us: Some(2_100),
        longest_turn_cpu_us: Some(400),
        memory_bytes: Some(15_000_000),
        memory_source: MemorySource::Anonymous,
        rss_bytes: Some(21_000_000),
        cpu_us: Some(3_000_000),
        cpu_read_us: None,
        run_delay_us: Some(40_000),
        descriptors: Some(8_360),
        threads: None,
        restarts: Some(1),
    };
    ClusterSample {
        at_us: 42_500_000,
        second: 42,
        replicas: vec![told, ReplicaSample { replica: 2, ..ReplicaSample::default() }],
        kernel: KernelSample { tcp_memory_bytes: Some(4_096), ..KernelSample::default() },
        missing: Some("replica 2 does not answer".into()),
        proxy_cpu_us: None,
        proxy_cpu_read_us: None,
        orchestrator_rss_bytes: None,
    }
}

fn capacity() -> [Entry; 3] {
    let asked = CapacityAsked {
        slo: "p99<100ms,errors<0.05%".into(),
        precision: 0.03,
        replicas: 12,
        bounds: Some(SearchBounds {
            most_rate: Some(200_000),
            most_connections: Some(20_000),
            trial_s: 5,
            warmup_s: 2,
        }),
        wanted: Some((50_000.0, 200_000)),
    };
    let trial = TrialRow {
        search: 1,
        trial: 7,
        connections: 1_000,
        rate: 640.0,
        from: 40,
        to: 45,
        outcome: TrialOutcome::Violated,
        why: "p99 120.00 ms is not under 100ms".into(),
        planned: 3_200,
        errors: 1,
        latency: BTreeMap::from([("p99_ms".into(), 120.0)]),
        connections_min: 1_000,
    };
    let limit = LimitRow {
        search: 1,
        axis: Axis::Rate,
        fixed: 1_000.0,
        by: LimitBy::Target,
        estimate: Some(620.0),
        low: 610.0,
        high: Some(628.0),
        trials: 17,
        why: String::new(),
    };
    [CapacityRow::Asked(asked), CapacityRow::Trial(trial), CapacityRow::Limit(limit)].map(Entry::Capacity)
}

fn marks() -> Vec<Entry> {
    let phase = |event: PhaseEvent| {
        Entry::Phase(PhaseRow {
            phase: 3,
            name: "sustained_load".into(),
            event,
            at_us: 8_000_000,
            estimated_ms: 72_000,
        })
    };
    vec![
        phase(PhaseEvent::Started),
        phase(PhaseEvent::Ended),
        phase(PhaseEvent::Skipped { reason: "left out by --phases".into() }),
        Entry::Block(BlockRow {
            agent: 1,
            phase: 3,
            block: 30_000,
            kind: Kind::Load,
            name: "sustained load".into(),
            planned: 120_000,
            start_us: 9_000_000,
            duration_us: 60_000_000,
            rate: 2_000.0,
            lost: false,
        }),
        Entry::Fault(FaultRow {
            id: 40_000,
            phase: 4,
            scenario: "node_failure".into(),
            method: "SIGKILL of the process".into(),
            replica: Some(1),
            injected_us: 80_000_000,
            effect_us: Some(80_001_000),
            cluster_detected_us: Some(80_002_000),
            healed_us: None,
            heal_verified_us: None,
            ready_us: Some(81_000_000),
            note: Some("a note".into()),
            ..FaultRow::default()
        }),
        Entry::Scenario(ScenarioRow {
            phase: 4,
            name: "node_failure".into(),
            started_us: 77_000_000,
            ended_us: 90_000_000,
            skipped: None,
            inconclusive: Some("cut short: interrupted".into()),
            faults: vec![40_000],
            blocks: vec![40_000],
            detail: BTreeMap::from([("refusals_count".into(), 12.0)]),
        }),
        Entry::Finding(FindingRow {
            phase: 1,
            at_us: 500_000,
            name: "health_ms".into(),
            value: None,
            note: Some("there is no /health".into()),
            agent: None,
        }),
        Entry::Finding(FindingRow {
            phase: 3,
            at_us: 98_000_000,
            name: "agent_lost_count".into(),
            value: Some(1.0),
            note: Some("agent 2 died: signal 9".into()),
            agent: Some(2),
        }),
    ]
}

/// One row of every kind, and of those with variants one of each.
pub(crate) fn rows() -> Vec<Entry> {
    let mut rows = vec![
        Entry::Run(header()),
        Entry::Config(config()),
        Entry::Target(TargetRow {
            server: Some("erlmcp-server 0.1.0".into()),
            era: "modern".into(),
            versions: vec!["2026-07-28".into()],
            endpoints: vec![(1, "127.0.0.11:8080".into())],
            tools: vec!["echo".into()],
            server_figures: "erlmcp metrics".into(),
            proxied: None,
        }),
    ];
    rows.extend(marks());
    rows.extend([
        Entry::Interval(interval()),
        Entry::Interval(plain_interval()),
        Entry::Connections(connections()),
        Entry::Episode(EpisodeRow {
            agent: 1,
            phase: 4,
            episode: 1,
            replica: 2,
            detected_us: 80_005_000,
            how: "reset".into(),
            affected: 1_389,
            served_again: 1_389,
            last_served_us: Some(80_400_000),
        }),
        Entry::Misbehaving(misbehaving()),
        Entry::Agent(AgentSample {
            agent: 1,
            second: 42,
            cpu_us: 400_000,
            run_delay_us: 20_000,
            rss_bytes: 90_000_000,
            descriptors: 16_700,
            descriptors_limit: 20_000,
            longest_stall_us: 3_000,
            operation_connections: Vec::new(),
            answering_connections: 0,
        }),
        Entry::Joined(JoinedRow {
            agent: 1,
            host: "worker-b".into(),
            address: "10.0.0.3:51234".into(),
            cores: 8,
            descriptors: 20_000,
            clock_offset_ns: -3_600_000_000_000,
            uncertainty_us: 120,
        }),
        Entry::Clock(ClockRow { agent: 1, at_us: 30_000_000, off_us: -250, uncertainty_us: 90 }),
        Entry::Cluster(cluster()),
        Entry::Membership(MembershipRow { replica: 2, at_us: 80_005_000, member: false }),
    ]);
    rows.extend(streams());
    rows.extend(capacity());
    rows.extend([
        Entry::End(EndRow { at_us: 99_000_000, ended: Ended::Completed }),
        Entry::End(EndRow { at_us: 99_000_000, ended: Ended::Interrupted }),
        Entry::End(EndRow { at_us: 99_000_000, ended: Ended::Aborted { reason: "agent 2 died".into() } }),
    ]);
    rows
}

fn misbehaving() -> MisbehavingRow {
    MisbehavingRow {
        agent: 1,
        phase: 3,
        block: 30_001,
        way: "half_request".into(),
        clients: 100,
        done: 340,
        cut: 240,
        left: 100,
        last_cut_us: Some(10_004_000),
        ..MisbehavingRow::default()
    }
}

#[test]
fn rows_are_written_as_ever() {
    let written: String = rows().iter().map(|row| serde_json::to_string(row).expect("rows are JSON") + "\n").collect();
    assert_eq!(written, GOLDEN, "the format of the record has changed");
}

#[test]
fn old_lines_are_read_as_ever() {
    let read: Vec<Entry> = GOLDEN.lines().map(|line| serde_json::from_str(line).expect("a line of a record")).collect();
    assert_eq!(read, rows());
}

/// A later record of the same version may say more: what is not known is passed over.
#[test]
fn fields_that_are_not_known_are_passed_over() {
    for line in GOLDEN.lines() {
        let more = line.replacen('{', "{\"of_a_later_version\":[1,{}],", 1);
        let read: Entry = serde_json::from_str(&more).expect("the rest is known");
        assert_eq!(read, serde_json::from_str::<Entry>(line).expect("a line of a record"));
    }
}

#[test]
fn every_fate_has_its_name() {
    for fate in Fate::ALL {
        assert_eq!(serde_json::to_string(&fate).expect("a name"), format!("\"{}\"", fate.name()));
    }
    let all = fates(&Fate::ALL.map(|fate| (fate, fate as u64 + 1)));
    let text = serde_json::to_string(&all).expect("counts are JSON");
    assert_eq!(serde_json::from_str::<FateCounts>(&text).expect("counts"), all);
    assert_eq!(all.total(), (1..=13).sum::<u64>());
}
