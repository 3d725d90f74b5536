//! Names that were mistyped.

/// Of three letters one may be wrong.
const LETTERS_A_MISTAKE: usize = 3;
/// Names that are told where none is near.
const TOLD_MAX: usize = 20;

/// What there is in place of a name that is not there: the one that was most likely meant, or else all, as the end of a
/// sentence.
pub(crate) fn instead<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let lower = name.to_lowercase();
    let distance = |one: &&str| strsim::damerau_levenshtein(&one.to_lowercase(), &lower);
    let near = known
        .iter()
        .map(|one| (distance(one), *one))
        .min()
        .filter(|(distance, one)| *distance <= name.chars().count().max(one.chars().count()) / LETTERS_A_MISTAKE);
    match (near, known.as_slice()) {
        (Some((_, near)), _) => format!("did you mean {near:?}?"),
        (None, []) => "it lists none".into(),
        (None, all) if all.len() > TOLD_MAX => {
            format!("it has {} and {} more", all[..TOLD_MAX].join(", "), all.len() - TOLD_MAX)
        }
        (None, all) => format!("it has {}", all.join(", ")),
    }
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
}
