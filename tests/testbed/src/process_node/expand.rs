//! `$(VAR)` as Kubernetes expands it in env values, commands and arguments.

use std::collections::BTreeMap;

/// `$(NAME)` becomes the variable's value, an unknown name stays as written, `$$` is one `$`
/// (so `$$(NAME)` is the way to write the text `$(NAME)`). There is no recursion.
pub fn expand(input: &str, variables: &BTreeMap<String, String>) -> String {
    let mut output = String::with_capacity(input.len());
    let mut rest = input;
    while let Some(dollar) = rest.find('$') {
        output.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            output.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|open| open.split_once(')')) {
            match variables.get(name) {
                Some(value) => output.push_str(value),
                None => output.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            output.push('$');
        }
    }
    output.push_str(rest);
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(input: &str) -> String {
        let variables = [("IP", "127.64.0.1"), ("EMPTY", ""), ("NESTED", "$(IP)")];
        expand(input, &variables.map(|(name, value)| (name.into(), value.into())).into())
    }

    #[test]
    fn known_variables_are_replaced_and_unknown_ones_stay() {
        for (input, output) in [
            ("$(IP):8080", "127.64.0.1:8080"),
            ("a$(IP)b$(IP)c", "a127.64.0.1b127.64.0.1c"),
            ("$(UNKNOWN)/x", "$(UNKNOWN)/x"),
            ("[$(EMPTY)]", "[]"),
            ("$(NESTED)", "$(IP)"),
            ("$()", "$()"),
        ] {
            assert_eq!(expanded(input), output, "{input}");
        }
    }

    #[test]
    fn a_doubled_dollar_escapes() {
        for (input, output) in
            [("$$(IP)", "$(IP)"), ("$$$(IP)", "$127.64.0.1"), ("$$", "$"), ("$$$$(IP)", "$$(IP)"), ("5$$", "5$")]
        {
            assert_eq!(expanded(input), output, "{input}");
        }
    }

    #[test]
    fn what_is_no_reference_stays() {
        for input in ["$", "$IP", "${IP}", "cost: 5$", "$(IP", "ä$ö", ""] {
            assert_eq!(expanded(input), input);
        }
    }
}
