//! What was asked for and found, as the record and the person who watches are told.

use std::collections::BTreeMap;

use erlmcp_load::proto::Reached;
use erlmcp_record::names::phase;
use erlmcp_record::{ConfigRow, Proxied, TargetRow, Threshold};
use erlmcp_report::live::PlannedPhase;
use erlmcp_report::verdict::{suite_thresholds, thresholds};

use crate::StressConfig;
use crate::calls::Chosen;
use crate::plan::{PhasePlan, Plan};

/// What the run settled on, beyond what was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    /// The target as a URL.
    pub(crate) target: String,
    pub(crate) own_cluster: bool,
    pub(crate) attached: bool,
    pub(crate) colocated: bool,
    pub(crate) replicas: u32,
    pub(crate) agents: u32,
    pub(crate) seed: u64,
    /// "round robin", "kernel" or "dns".
    pub(crate) spread: String,
    pub(crate) chosen: Chosen,
}

/// The row of what was asked for, and of what the run made of it.
pub(crate) fn config_row(config: &StressConfig, settled: &Settled, era: &str, plan: &Plan) -> ConfigRow {
    let scenarios =
        |name: &str| plan.phases.iter().filter(|phase| phase.name == name).map(PhasePlan::scenarios).sum::<u32>();
    ConfigRow {
        target: settled.target.clone(),
        own_cluster: settled.own_cluster,
        attached: settled.attached,
        colocated: settled.colocated,
        connections: config.connections(),
        streams: config.streams,
        duration_ms: config.duration().as_millis() as u64,
        rate: config.rate(),
        arrivals: config.workload.as_ref().map_or("constant".into(), |workload| workload.arrival.words()),
        ramp_rate: config.ramp_rate,
        warmup_ms: config.warmup().as_millis() as u64,
        timeout_ms: config.timeout.as_millis() as u64,
        replicas: settled.replicas,
        agents: settled.agents,
        era: era.into(),
        calls: settled.chosen.label.clone(),
        workload: config.workload.as_ref().map(|workload| workload.row(config.connections())),
        queued_calls: settled.chosen.queued_label.clone(),
        seed: settled.seed,
        phases: plan.phases.iter().map(|phase| phase.name.clone()).collect(),
        failure_scenarios: scenarios(phase::FAILURE_RECOVERY),
        performance_scenarios: scenarios(phase::PERFORMANCE_SCENARIOS),
        spread: settled.spread.clone(),
        close: if settled.colocated { "reset" } else { "fin" }.into(),
        require_all: config.require_all,
        thresholds: limits(&config.thresholds, plan),
        asserts: config.asserts.as_ref().map(ToString::to_string),
    }
}

/// All limits of a plan, those that the user changed among them.
fn limits(changed: &BTreeMap<String, f64>, plan: &Plan) -> BTreeMap<String, Threshold> {
    let is_of_plan = |threshold: &&erlmcp_report::verdict::Threshold| match plan.name.as_str() {
        "comprehensive" => threshold.phase.is_none_or(|name| plan.phases.iter().any(|phase| phase.name == name)),
        _ => suite_thresholds().all(|of_suite| of_suite.id != threshold.id),
    };
    let limit = |threshold: &erlmcp_report::verdict::Threshold| {
        let asked = changed.get(threshold.id).copied();
        let value = asked.unwrap_or(threshold.default);
        (threshold.id.to_string(), Threshold { value, changed: asked.is_some_and(|asked| asked != threshold.default) })
    };
    thresholds().iter().filter(is_of_plan).map(limit).collect()
}

/// The row of what answered.
pub(crate) fn target_row(
    reached: &Reached,
    endpoints: Vec<(u16, String)>,
    server_figures: &str,
    proxied: Option<Proxied>,
) -> TargetRow {
    TargetRow {
        server: (!reached.server.is_empty()).then(|| reached.server.clone()),
        era: reached.era.clone(),
        versions: reached.versions.clone(),
        endpoints,
        tools: reached.tools.iter().map(|tool| tool.name.clone()).collect(),
        server_figures: server_figures.into(),
        proxied,
    }
}

/// The plan, as it is shown before it starts.
pub(crate) fn planned_phases(plan: &Plan) -> Vec<PlannedPhase> {
    let planned = |phase: &PhasePlan| PlannedPhase {
        number: phase.number,
        name: phase.name.clone(),
        estimated_ms: Some(phase.estimate().as_millis() as u64),
        skipped: phase.skip.clone(),
        left_out: phase.steps.iter().filter(|step| step.scenario.is_some() && step.skip.is_some()).count() as u32,
    };
    plan.phases.iter().map(planned).collect()
}
