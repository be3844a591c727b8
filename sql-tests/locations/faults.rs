//! Seeded network faults: an import gives the same table as from the local file, or a clean error and
//! nothing; never a wrong row, and it never hangs.

use std::collections::HashMap;
use std::ops::Range;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::caught;
use crate::data;
use crate::fault_plan::{Demand, Fault, Plan, Subject};
use crate::fault_server::{Content, FaultServer};
use crate::http;
use crate::scene::{GATE, Scene, import};
use crate::scratch::has_ended;

/// How many seeds there are, unless the environment says otherwise.
const SEEDS: u64 = 200;

/// How many cases of a test run at the same time.
const AT_ONCE: usize = 6;

/// How long one import may take, whatever goes wrong: much longer than the program's own patience.
const LIMIT: Duration = Duration::from_mins(5);

/// For how many milliseconds a server may be silent, in the cases in which it falls silent. Were it a
/// busy machine that is silent for so long, the request would be made again.
const SILENCE: &str = "2500";

/// For how many milliseconds a request is tried again that must not succeed, or need not. One that must
/// has the time that it always has.
const PATIENCE: &str = "4000";

/// The classes of SQLSTATE that tell of the surroundings or of the file.
const CLASSES: &[&str] = &["08", "22", "53", "54", "55", "57", "58"];

/// The server, and the checksums of what its files are.
pub(crate) struct Faults {
    running: OnceLock<(FaultServer, HashMap<String, [String; 2]>)>,
}

impl Faults {
    /// Returns faults whose server starts when it is needed.
    pub(crate) fn new() -> Self {
        Self { running: OnceLock::new() }
    }

    /// Returns how many seeds are to be run.
    pub(crate) fn seeds() -> u64 {
        let given = std::env::var_os("WHARF_TEST_SEEDS");
        given.and_then(|text| text.to_str()?.parse().ok()).unwrap_or(SEEDS)
    }

    fn running(&self) -> &(FaultServer, HashMap<String, [String; 2]>) {
        self.running.get_or_init(|| {
            let files = contents();
            let sums = local_checksums(&files);
            (FaultServer::start(files).expect("a server on the loopback"), sums)
        })
    }

    /// Runs the cases of several seeds, some at once: many of them wait more than they work.
    pub(crate) fn check_all(&self, seeds: Range<u64>) {
        self.running();
        let next = AtomicU64::new(seeds.start);
        let failures = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end {
                            return;
                        }
                        if let Err(failure) = caught(|| self.check(seed)) {
                            failures.lock().expect("no thread panics with it").push(failure);
                        }
                    }
                });
            }
        });
        let failures = failures.into_inner().expect("no thread panics with it");
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    /// Runs the case of one seed.
    fn check(&self, seed: u64) {
        let (server, sums) = self.running();
        let plan = Plan::new(seed);
        let names = names(plan.subject);
        let urls: Vec<String> =
            names.iter().map(|name| format!("http://{}/{seed}/{name}", server.address)).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let mut scene = Scene::new().with_limit(LIMIT);
        if plan.fault == Fault::Stall {
            scene = scene.with_variable("WHARF_NETWORK_TIMEOUT", SILENCE);
        }
        if plan.demand() != Demand::Succeed {
            scene = scene.with_variable("WHARF_NETWORK_PATIENCE", PATIENCE);
        }
        let ended = scene.import(&urls);
        let told = format!(
            "seed {seed}: {plan:?}, {} requests, {:?}: {}",
            server.requests(seed),
            ended.took,
            ended.err
        );
        assert!(ended.code.is_some(), "it hangs: {told}");
        if ended.code == Some(0) {
            assert!(plan.demand() != Demand::Refuse, "it must be refused: {told}");
            let sum = scene.checksum();
            let expected = &sums[&names.join(" ")];
            let changed = plan.fault == Fault::Changed && sum == expected[1];
            assert!(sum == expected[0] || changed, "another table: {told}");
            scene.require_no_temp();
            return;
        }
        assert_eq!(ended.code, Some(1), "{told}");
        assert!(plan.demand() != Demand::Succeed, "it must succeed: {told}");
        let code = ended.err.split_once("SQLSTATE: ").map_or("", |(_, code)| code);
        assert!(CLASSES.iter().any(|class| code.starts_with(class)), "the code: {told}");
        assert!(names.iter().any(|name| ended.err.contains(name)), "no file is named: {told}");
        scene.require_nothing_left();
    }
}

impl Faults {
    /// Checks that an import from a server that has fallen silent ends when it is told to, by a signal
    /// and by `statement_timeout`.
    pub(crate) fn check_stop(&self) {
        let (server, _) = self.running();
        let find = |subject: Subject| {
            let fits = |plan: &Plan| {
                let soon = plan.first == 1 && plan.place < 900;
                plan.fault == Fault::Stall && soon && plan.subject == subject
            };
            (Self::seeds()..1_000_000).find(|seed| fits(&Plan::new(*seed))).expect("a seed")
        };
        let silent = |subject: Subject| {
            let seed = find(subject);
            let url = |name: &&str| format!("http://{}/{seed}/{name}", server.address);
            let urls: Vec<String> = names(subject).iter().map(url).collect();
            import(&urls.iter().map(String::as_str).collect::<Vec<_>>(), "tmp")
        };
        for subject in [Subject::Plain, Subject::Wide, Subject::Compressed] {
            // The time that it may wait for is longer than the test does.
            let scene = Scene::new().with_variable("WHARF_NETWORK_TIMEOUT", "3600000");
            let seed = find(subject);
            let mut running = scene.start(&["-e", GATE, "-e", &silent(subject)]);
            wait_until(|| server.has_fallen_silent(seed));
            let sent = Command::new("kill").args(["-INT", &running.id().to_string()]).status();
            assert!(sent.expect("kill runs").success());
            wait_until(|| running.try_wait().expect("it can be waited for").is_some());
            let code = running.wait().expect("it ends").code();
            has_ended(&running);
            assert_eq!(code, Some(130), "{subject:?}");
            scene.require_nothing_left();
        }
        let scene =
            Scene::new().with_limit(LIMIT).with_variable("WHARF_NETWORK_TIMEOUT", "3600000");
        let ended = scene.run(&[GATE, "SET statement_timeout = '1s'", &silent(Subject::Three)]);
        ended.require_refused("57014", &[]);
        scene.require_nothing_left();
    }
}

/// Waits until something is so, and fails the test if that takes too long.
fn wait_until(mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < LIMIT, "it takes too long");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Checks that the server does what its plans say: a test of the test.
pub(crate) fn check_server() {
    let files = contents();
    let whole = files["rows.csv"].first.clone();
    let server = FaultServer::start(files).expect("a server on the loopback");
    let get = |seed: u64, headers: &[(&str, &str)]| {
        http::send(server.address, "GET", &format!("/{seed}/rows.csv"), headers, "")
    };
    let planned = |fault: Fault| {
        let fits = |plan: &Plan| plan.fault == fault && plan.first == 0 && plan.place > 200;
        (0..10_000).find(|seed| fits(&Plan::new(*seed))).expect("a seed of that fault")
    };
    let status = |fault: Fault, headers: &[(&str, &str)]| {
        get(planned(fault), headers).expect("an answer").status
    };
    let range = [("Range", "bytes=10-19")];
    assert_eq!(get(planned(Fault::TooLong), &[]).expect("an answer").body.len(), whole.len() + 18);
    let short = get(planned(Fault::ShortBody), &[]).expect("an answer");
    assert!(short.status == 200 && short.body.len() < whole.len());
    let reset = get(planned(Fault::Reset), &[]);
    assert!(reset.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    assert!(status(Fault::ServerError, &[]) >= 500);
    assert!([429, 503].contains(&status(Fault::TooMany, &[])));
    assert_eq!(status(Fault::Whole, &range), 200);
    assert_eq!(status(Fault::NotSatisfiable, &range), 416);
    assert_eq!(status(Fault::RedirectLoop, &range), 302);
    assert_eq!(status(Fault::NoContentRange, &range), 206);
    assert_eq!(status(Fault::WeakTag, &[("If-Match", "W/\"first\"")]), 412);
    assert_eq!(get(planned(Fault::NoAnswer), &[]).expect("nothing").body, "");
    // A request that nothing befalls is answered as it should be.
    let later = (0..10_000).find(|seed| Plan::new(*seed).first > 0).expect("a seed");
    let answer = get(later, &range).expect("an answer");
    assert_eq!((answer.status, answer.body.as_bytes()), (206, &whole[10..20]));
}

/// Returns the names of what is imported.
fn names(subject: Subject) -> Vec<&'static str> {
    match subject {
        Subject::Plain => vec!["rows.csv"],
        Subject::Compressed => vec!["rows.csv.gz"],
        Subject::Wide => vec!["wide.csv"],
        Subject::Three => vec!["part-0.csv", "part-1.csv", "part-2.csv"],
    }
}

/// Returns the files, each with another content of the same size.
fn contents() -> HashMap<String, Content> {
    let first = data::rows();
    // Letters occur in names only: another table of the same keys.
    let second = first.replace('a', "b");
    let mut files = HashMap::new();
    let mut put = |name: &str, first: Vec<u8>, second: Vec<u8>| {
        let content = Content { first: first.into(), second: second.into() };
        files.insert(name.to_owned(), content);
    };
    put("rows.csv", first.clone().into(), second.clone().into());
    let [packed_first, packed_second] =
        [&first, &second].map(|text| data::compress(text.as_bytes(), "gz"));
    put("rows.csv.gz", packed_first, packed_second);
    let wide = data::wide_rows();
    put("wide.csv", wide.clone().into(), wide.replace('a', "b").into());
    let seconds = data::parts(&second);
    for (number, (one, other)) in data::parts(&first).into_iter().zip(seconds).take(3).enumerate() {
        put(&format!("part-{number}.csv"), one.into(), other.into());
    }
    files
}

/// Returns the checksums of the local files, as they are at first and as they are later.
fn local_checksums(files: &HashMap<String, Content>) -> HashMap<String, [String; 2]> {
    let mut sums = HashMap::new();
    for subject in [Subject::Plain, Subject::Compressed, Subject::Three, Subject::Wide] {
        let names = names(subject);
        let sum = |second: bool| {
            let scene = Scene::new();
            for name in &names {
                let content = if second { &files[*name].second } else { &files[*name].first };
                std::fs::write(scene.path(name), content).expect("a data file");
            }
            scene.checksum_of(&names)
        };
        sums.insert(names.join(" "), [sum(false), sum(true)]);
    }
    sums
}
