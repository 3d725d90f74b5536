use erlmcp_record::names::cause;

use super::doubt;
use super::estimate::Estimate;
use super::evidence::Evidence;
use super::judge::Judge;
use crate::analysis::Analysis;
use crate::format;

pub(super) fn enter(judge: &mut Judge<'_>) {
    let all = judge.analysis.part(false, |_| true);
    let nothing = || (all.planned == 0).then_some("no request was planned");
    let wrong = all.causes.get(cause::ANOTHER_ID).copied().unwrap_or(0);
    let of = |found: u64, source: &str| {
        // What an agent had read when it died is not known.
        Evidence::of(Some(Estimate::count(found)), all.planned, "requests", source)
            .spoiled(nothing())
            .doubted(doubt::lost(judge.analysis, u8::MAX))
    };
    let (wrong, surplus) =
        (of(wrong, "all requests of the run"), of(all.surplus_answers, "all connections of the run"));
    judge.enter("run.wrong_id_answers_count", wrong);
    judge.enter("run.surplus_answers_count", surplus);
    judge.enter("run.ledger_difference_count", ledger(judge.analysis));
}

/// Every planned request has exactly one fate, or the run is invalid.
fn ledger(analysis: &Analysis) -> Evidence {
    let balance = analysis.balance();
    let planned = balance.planned();
    let mut source = format!("{} requests planned", format::count(planned));
    for difference in &balance.differences {
        source = format!("{source}; {difference}");
    }
    let unfinished = analysis.end.is_none().then_some("the record ends in the middle of the run");
    Evidence::of(Some(Estimate::count(balance.difference())), planned, "requests", &source)
        .spoiled((planned == 0).then_some("no request was planned"))
        .spoiled(unfinished)
        .advised("the run is invalid: do not use its figures")
}
