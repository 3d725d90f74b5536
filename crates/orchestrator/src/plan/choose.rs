use crate::StressError;

/// For each of the phases `names`: is it in the user's list? An empty list means all; words are numbers from 1
/// or names, with `-` or `_`.
pub(crate) fn choose(words: &[String], names: &[&str]) -> Result<Vec<bool>, StressError> {
    if words.is_empty() {
        return Ok(vec![true; names.len()]);
    }
    let mut chosen = vec![false; names.len()];
    for word in words {
        chosen[find(word, names).ok_or_else(|| unknown(word, names))?] = true;
    }
    Ok(chosen)
}

fn find(word: &str, names: &[&str]) -> Option<usize> {
    if let Ok(number) = word.trim().parse::<usize>() {
        return number.checked_sub(1).filter(|index| *index < names.len());
    }
    let name = word.trim().to_ascii_lowercase().replace('-', "_");
    names.iter().position(|known| *known == name)
}

fn unknown(word: &str, names: &[&str]) -> StressError {
    let list = names.join(", ");
    StressError::Usage(format!(
        "there is no phase {word:?}: write numbers from 1 to {} or names of {list}",
        names.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["baseline", "ramp_up", "cool_down"];

    fn chosen(words: &[&str]) -> Result<Vec<bool>, StressError> {
        choose(&words.iter().map(|word| word.to_string()).collect::<Vec<_>>(), &NAMES)
    }

    #[test]
    fn numbers_and_names_choose() {
        assert_eq!(chosen(&[]), Ok(vec![true; 3]));
        assert_eq!(chosen(&["3", "Ramp-Up"]), Ok(vec![false, true, true]));
    }

    #[test]
    fn what_is_not_there_is_named() {
        for word in ["0", "4", "ramp", ""] {
            let error = chosen(&[word]).expect_err("no such phase");
            assert!(error.to_string().contains("from 1 to 3"), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}
