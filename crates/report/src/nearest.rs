//! Names that were mistyped.

/// Of three letters one may be wrong.
const LETTERS_A_MISTAKE: usize = 3;
/// What figures are called elsewhere.
const ELSEWHERE: [(&str, &str); 15] = [
    ("avg", "mean"),
    ("average", "mean"),
    ("med", "p50"),
    ("median", "p50"),
    ("worst", "max"),
    ("fails", "errors"),
    ("failures", "errors"),
    ("failed", "errors"),
    ("error_rate", "errors"),
    ("rps", "throughput"),
    ("qps", "throughput"),
    ("rate", "throughput"),
    ("reqs", "throughput"),
    ("uptime", "availability"),
    ("rss", "memory"),
];
/// Names that are told where none is near.
const TOLD_MAX: usize = 20;

/// What there is in place of a name that is not there: the one that was most likely meant, or else all, as the end of a
/// sentence.
pub fn instead<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match (nearest(name, known.iter().copied()), known.as_slice()) {
        (Some(near), _) => format!("did you mean {near:?}?"),
        (None, []) => "it lists none".into(),
        (None, all) if all.len() > TOLD_MAX => {
            format!("it has {} and {} more", all[..TOLD_MAX].join(", "), all.len() - TOLD_MAX)
        }
        (None, all) => format!("it has {}", all.join(", ")),
    }
}

/// The name that was most likely meant; None where none is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let distance = |one: &str| strsim::damerau_levenshtein(&one.to_lowercase(), &lower);
    let (distance, near) = known.into_iter().map(|one| (distance(one), one)).min()?;
    (distance <= name.chars().count().max(near.chars().count()) / LETTERS_A_MISTAKE).then_some(near)
}

/// The same of a figure, which may also be called as elsewhere: "avg" is the mean. As the end of a clause about the name,
/// "" where none is near.
pub(crate) fn figure<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let lower = name.to_lowercase();
    let called = ELSEWHERE.iter().find(|(other, _)| *other == lower).map(|(_, ours)| *ours);
    let near = called.filter(|ours| known.clone().into_iter().any(|one| one == *ours)).or_else(|| nearest(name, known));
    near.map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_told_or_else_what_there_is() {
        let tools = ["search", "buy", "searches"];
        assert_eq!(instead("serach", tools), "did you mean \"search\"?");
        assert_eq!(instead("Search", tools), "did you mean \"search\"?");
        assert_eq!(instead("by", tools), "did you mean \"buy\"?");
        assert_eq!(instead("cancel", tools), "it has search, buy, searches");
        assert_eq!(instead("cancel", []), "it lists none");
        let many: Vec<String> = (0..25).map(|n| format!("tool-number-{n}")).collect();
        let told = instead("x", many.iter().map(String::as_str));
        assert!(told.ends_with("tool-number-19 and 5 more"), "{told}");
    }

    #[test]
    fn figures_have_other_names_elsewhere() {
        let known = ["p50", "mean", "errors", "throughput"];
        assert_eq!(figure("AVG", known), " (did you mean \"mean\"?)");
        assert_eq!(figure("thruput", known), " (did you mean \"throughput\"?)");
        assert_eq!(figure("rss", known), "", "it is not known there");
        assert_eq!(figure("xyz", known), "");
    }
}
