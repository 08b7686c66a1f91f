//! The house rules that a compiler does not check: who may name whom, how long a file may be, and
//! what must not be in the repository. A violation is reported as `file:line: what – the rule`.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

#[path = "architecture/names.rs"]
mod names;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the modules under one folder of `src` may name.
struct Rule {
    folder: &'static str,
    /// Modules of ours, by prefix, besides the folder itself.
    modules: &'static [&'static str],
    crates: Crates,
    why: &'static str,
}

enum Crates {
    /// Nothing but the standard library, without the parts that look at the world.
    PureStd,
    /// Anything but these.
    Not(&'static [&'static str]),
}

const KUBERNETES: &[&str] = &["kube", "k8s_openapi"];
const ANY: Crates = Crates::Not(&[]);

/// Arrows go one way: `cli → controller → {api, scaling, brokers, workers, ops}`, `cli → runtime`.
const RULES: &[Rule] = &[
    Rule {
        folder: "scaling",
        modules: &[],
        crates: Crates::PureStd,
        why: "the law is pure: no Kubernetes, broker, runtime, clock, randomness or environment",
    },
    Rule {
        folder: "clock",
        modules: &["scaling::time"],
        crates: Crates::Not(KUBERNETES),
        why: "the clock knows points in time and nothing else",
    },
    Rule {
        folder: "contract",
        modules: &[],
        crates: Crates::Not(KUBERNETES),
        why: "what a worker and the operator say to each other belongs to neither",
    },
    Rule {
        folder: "net",
        modules: &[],
        crates: Crates::Not(KUBERNETES),
        why: "names, addresses and TLS are the same for every client",
    },
    Rule {
        folder: "amqp",
        modules: &["net"],
        crates: Crates::Not(KUBERNETES),
        why: "the AMQP connection is shared by readers and workers and knows neither",
    },
    Rule {
        folder: "aws",
        modules: &[],
        crates: Crates::Not(KUBERNETES),
        why: "identities and clients of AWS are shared by readers and workers and know neither",
    },
    Rule {
        folder: "kafka",
        modules: &[],
        crates: Crates::Not(KUBERNETES),
        why: "the wire client of Kafka is shared by whoever looks, and knows nothing of pools",
    },
    Rule {
        folder: "librdkafka",
        modules: &["amqp", "net"],
        crates: Crates::Not(KUBERNETES),
        why: "clients of librdkafka are shared by workers and publishers and know neither",
    },
    Rule {
        folder: "brokers",
        modules: &["scaling::observation", "scaling::time", "clock", "amqp", "aws", "kafka", "net"],
        crates: Crates::Not(KUBERNETES),
        why: "readers know the vocabulary of observations, not the law, Kubernetes or who asks",
    },
    Rule {
        folder: "workers",
        modules: &["scaling::observation", "scaling::time", "clock", "contract"],
        crates: Crates::Not(KUBERNETES),
        why: "worker clients know the vocabulary of observations, not the law, Kubernetes or who asks",
    },
    Rule {
        folder: "api",
        modules: &["scaling::settings", "scaling::decision", "scaling::time", "aws"],
        crates: ANY,
        why: "the API translates to and from the law's values and decides nothing",
    },
    Rule {
        folder: "ops",
        modules: &["clock", "scaling::decision", "scaling::time"],
        crates: Crates::Not(KUBERNETES),
        why: "operations serve any process and know no controller",
    },
    Rule {
        folder: "publishing",
        modules: &["amqp", "aws", "librdkafka"],
        crates: Crates::Not(KUBERNETES),
        why: "publishing needs a broker and nothing else",
    },
    Rule {
        folder: "runtime",
        modules: &[
            "amqp",
            "api::names",
            "aws",
            "clock",
            "contract",
            "kafka",
            "librdkafka",
            "net",
            "ops",
            "scaling::time",
        ],
        crates: Crates::Not(KUBERNETES),
        why: "a worker runs without Kubernetes",
    },
    Rule {
        folder: "publishing",
        modules: &["amqp"],
        crates: Crates::Not(KUBERNETES),
        why: "publishing is for try-outs and tests and needs a broker only",
    },
    Rule {
        folder: "simulation",
        modules: &["scaling"],
        crates: Crates::PureStd,
        why: "a simulation is the law and a model of the world: no files, no clock, no chance but a seed",
    },
    Rule {
        folder: "explanation",
        modules: &["api", "scaling"],
        crates: Crates::Not(&["kube"]),
        why: "an explanation renders a decision or a status that somebody else has",
    },
    Rule {
        folder: "controller",
        modules: &["api", "aws", "scaling", "brokers", "workers", "ops", "clock", "contract", "explanation"],
        crates: ANY,
        why: "the controller reaches workers through `workers` only, and no command line",
    },
];

/// Parts of the standard library that look at the world.
const WORLD: &[&str] = &["env", "fs", "io", "net", "os", "process", "thread"];
const CLOCKS: &[&str] = &["SystemTime", "Instant"];

/// Longest file that is still one screen of ideas.
const MOST_LINES: usize = 400;
/// Files that may be longer, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

#[test]
fn modules_name_only_what_is_below_them() {
    let crates = crates();
    let mut violations = String::new();
    for file in rust_files("src") {
        let module = module_of(&file);
        let Some(rule) = RULES.iter().find(|rule| module.first() == Some(&rule.folder)) else { continue };
        for name in names::named(&read(&file), &module, &crates) {
            if let Some(what) = rule.violation(&name.path) {
                let path = name.path.join("::");
                writeln!(violations, "{}:{}: names {path}: {what} – {}", file.display(), name.line, rule.why).unwrap();
            }
        }
    }
    assert!(violations.is_empty(), "\n{violations}");
}

#[test]
fn every_folder_of_the_source_has_a_rule() {
    // `cli` and the two crate roots are at the top: they may name everything.
    let free = ["cli", "lib", "main"];
    for file in rust_files("src") {
        let module = module_of(&file);
        let top = module.first().copied().unwrap_or("lib");
        assert!(
            free.contains(&top) || RULES.iter().any(|rule| rule.folder == top),
            "{}: add a rule for `{top}` to RULES in tests/architecture.rs",
            file.display()
        );
    }
}

#[test]
fn nothing_below_names_the_command_line() {
    let crates = crates();
    for file in
        rust_files("src").into_iter().filter(|file| !matches!(module_of(file).first(), None | Some(&"cli" | &"main")))
    {
        for name in names::named(&read(&file), &module_of(&file), &crates) {
            let cli = name.path.starts_with(&["crate".to_owned(), "cli".to_owned()]);
            assert!(!cli, "{}:{}: only the command line knows the command line", file.display(), name.line);
        }
    }
}

#[test]
fn a_file_is_one_screen_of_ideas() {
    let mut long = String::new();
    for file in rust_files("src").into_iter().chain(rust_files("tests/testbed/src")) {
        let lines = read(&file).lines().count();
        if lines > MOST_LINES && !LONG_FILES.iter().any(|(name, _)| file == Path::new(name)) {
            writeln!(long, "{}: {lines} lines – split it at an idea, or list it with its reason", file.display())
                .unwrap();
        }
    }
    assert!(long.is_empty(), "\n{long}");
}

#[test]
fn nothing_is_unsafe() {
    for file in rust_files("src").into_iter().chain(rust_files("tests")) {
        for (number, line) in names::blank(&read(&file)).lines().enumerate() {
            let unsafe_word = line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
            assert!(!unsafe_word, "{}:{}: unsafe", file.display(), number + 1);
        }
    }
}

#[test]
fn the_repository_names_no_machine_and_leaves_nothing_undone() {
    // Put together here, so that this file does not contain them.
    let hosts = [
        "crates.i_o/",
        "proxy.golang.o_rg",
        "sum.golang.o_rg",
        "pypi.o_rg",
        "pythonhosted.o_rg",
        "npmjs.o_rg",
        "debian.o_rg",
        "maven.apache.o_rg",
    ];
    let folders = ["/wo_rk/", "/ro_ot/", "/ho_me/"];
    let undone = ["TO_DO", "FIX_ME", "XX_X", "todo_!(", "unimplemented_!("];
    let words: Vec<String> =
        [&hosts[..], &folders[..], &undone[..]].concat().iter().map(|word| word.replace('_', "")).collect();

    let mut found = String::new();
    for file in tracked_files() {
        // Lock files name their registry; the licence is not ours to change.
        if ["Cargo.lock", "go.sum", "go.mod", "LICENSE"].iter().any(|name| file.ends_with(name)) {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for (number, line) in text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(word.as_str())) {
                writeln!(found, "{}:{}: contains {word}", file.display(), number + 1).unwrap();
            }
        }
    }
    assert!(found.is_empty(), "\n{found}");
}

impl Rule {
    /// What is wrong with naming `path` here.
    fn violation(&self, path: &[String]) -> Option<&'static str> {
        let first = path[0].as_str();
        let second = path.get(1).map_or("", String::as_str);
        match (first, &self.crates) {
            ("crate", _) => {
                let path = path[1..].join("::");
                let within = |prefix: &str| path == prefix || path.starts_with(&format!("{prefix}::"));
                let allowed = within(self.folder) || self.modules.iter().any(|prefix| within(prefix));
                (!allowed).then_some("a module it may not know")
            }
            ("std" | "core" | "alloc", Crates::PureStd) => {
                let clock = path.iter().any(|word| CLOCKS.contains(&word.as_str()));
                (WORLD.contains(&second) || clock).then_some("a part of std that looks at the world")
            }
            (_, Crates::PureStd) => Some("a crate, where only std is allowed"),
            (name, Crates::Not(forbidden)) => forbidden.contains(&name).then_some("a crate it may not know"),
        }
    }
}

/// Names of all crates that our code could name, as written in paths.
fn crates() -> Vec<String> {
    let manifest = read(Path::new("Cargo.toml"));
    let dependencies = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let names = dependencies
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['.', ' ', '=']).next());
    names
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .chain(["std", "core", "alloc"].map(str::to_owned))
        .collect()
}

/// Rust files under `folder`, without those that only tests compile.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let only_tests: Vec<PathBuf> = files
        .iter()
        .flat_map(|file| {
            let folder =
                if file.ends_with("mod.rs") { file.parent().unwrap().to_owned() } else { file.with_extension("") };
            names::test_modules(&read(file))
                .into_iter()
                .flat_map(move |name| [folder.join(&name), folder.join(format!("{name}.rs"))])
        })
        .collect();
    files.retain(|file| !only_tests.iter().any(|only| file.starts_with(only)));
    files.sort();
    files
}

/// `src/scaling/time.rs` → `["scaling", "time"]`.
fn module_of(file: &Path) -> Vec<&str> {
    let inside = file.strip_prefix("src").unwrap().to_str().unwrap().trim_end_matches(".rs").trim_end_matches("/mod");
    if inside == "lib" { Vec::new() } else { inside.split('/').collect() }
}

/// What is committed, or would be by `git add`; without Git (a source archive), nothing to judge.
fn tracked_files() -> Vec<PathBuf> {
    let Ok(answer) = Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]).output()
    else {
        return Vec::new();
    };
    String::from_utf8_lossy(&answer.stdout).lines().map(PathBuf::from).filter(|path| path.is_file()).collect()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

mod the_reader_of_names {
    use super::names::{named, test_modules};

    fn paths(source: &str) -> Vec<String> {
        let crates = ["kube", "std"].map(str::to_owned);
        named(source, &["brokers", "rabbitmq"], &crates)
            .into_iter()
            .map(|name| format!("{}:{}", name.line, name.path.join("::")))
            .collect()
    }

    #[test]
    fn follows_groups_and_relative_paths() {
        assert_eq!(
            paths(
                "use crate::scaling::{self, law::{Law, caps}, time as t};\nuse super::Source;\nuse self::amqp::X;\nuse kube::*;"
            ),
            [
                "1:crate::scaling",
                "1:crate::scaling::law::Law",
                "1:crate::scaling::law::caps",
                "1:crate::scaling::time",
                "2:crate::brokers::Source",
                "3:crate::brokers::rabbitmq::amqp::X",
                "4:kube::*"
            ]
        );
    }

    #[test]
    fn sees_paths_in_expressions_and_types() {
        assert_eq!(
            paths(
                "fn f(a: &kube::Client) { local::g(); x.kube(); std::iter::repeat::<u8>(1); Vec::<kube::Api>::new() }"
            ),
            ["1:kube::Client", "1:std::iter::repeat", "1:kube::Api"]
        );
    }

    #[test]
    fn does_not_read_comments_strings_or_tests() {
        let source = "// kube::A\n/* kube::B /* kube::C */ kube::D */ 'k' '\\'' \"kube::E\\\"kube::F\" r#\"kube::G\"kube::H\"#\n\
            #[cfg(test)]\nmod tests { use kube::I; fn f() { if x {} } }\nfn f<'a>() -> kube::J {}";
        assert_eq!(paths(source), ["5:kube::J"]);
    }

    #[test]
    fn knows_modules_that_exist_in_tests_only() {
        assert_eq!(
            test_modules(
                "mod a;\n#[cfg(test)]\nmod fixtures;\n#[cfg(test)]\npub(crate) mod more;\n#[cfg(test)]\nmod inline {}"
            ),
            ["fixtures", "more"]
        );
    }
}
