//! Files anywhere: imports from real servers of every scheme, from a server that answers badly on
//! purpose, and from places that must not be read.
//!
//! The servers are started when a test first needs one, on free ports of the loopback, and end with the
//! tests. A test whose server is not installed is ignored, and a line says so; with
//! `WHARF_TEST_ALL_SERVERS` set that is a failure. `.ci/servers` installs them.

#[path = "locations/attacks.rs"]
mod attacks;
#[path = "locations/canary.rs"]
mod canary;
#[path = "locations/data.rs"]
mod data;
#[path = "locations/examples.rs"]
mod examples;
#[path = "locations/exports.rs"]
mod exports;
#[path = "locations/fault_plan.rs"]
mod fault_plan;
#[path = "locations/fault_server.rs"]
mod fault_server;
#[path = "locations/faults.rs"]
mod faults;
#[path = "locations/http.rs"]
mod http;
#[path = "locations/program.rs"]
mod program;
#[path = "locations/progress.rs"]
mod progress;
#[path = "locations/refusals.rs"]
mod refusals;
#[path = "locations/scene.rs"]
mod scene;
#[path = "locations/schemes.rs"]
mod schemes;
#[path = "locations/scratch.rs"]
mod scratch;
#[path = "locations/seed.rs"]
mod seed;
#[path = "locations/server.rs"]
mod server;
#[path = "locations/servers.rs"]
mod servers;
#[path = "locations/store.rs"]
mod store;
#[path = "locations/temp_faults.rs"]
mod temp_faults;
#[path = "locations/temp_server.rs"]
mod temp_server;
#[path = "locations/write_refusals.rs"]
mod write_refusals;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use faults::Faults;
use program::Program;
use servers::Servers;
use store::Store;
use temp_faults::TempFaults;

/// How many seeds one test runs.
const SEEDS_AT_ONCE: u64 = 20;

thread_local! {
    /// Where the thread panicked last.
    static PANICKED_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a check; if it panics, returns its message and where it was.
fn caught(check: impl FnOnce()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(check)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        let place = PANICKED_AT.with_borrow(String::clone);
        format!("{place}: {}", text.unwrap_or_default())
    })
}

/// Collects the tests, and ignores those whose programs are not installed.
struct Collected {
    servers: Arc<Servers>,
    trials: Vec<Trial>,
    missing: Vec<(Program, u32)>,
}

impl Collected {
    fn add(
        &mut self,
        name: String,
        programs: &[Program],
        check: impl FnOnce(&Servers) + Send + 'static,
    ) {
        let missing: Vec<Program> =
            programs.iter().copied().filter(|program| program.find().is_none()).collect();
        let servers = Arc::clone(&self.servers);
        let run = move || caught(|| check(&servers)).map_err(Failed::from);
        self.trials.push(Trial::test(name, run).with_ignored_flag(!missing.is_empty()));
        for program in missing {
            match self.missing.iter_mut().find(|(known, _)| *known == program) {
                Some((_, count)) => *count += 1,
                None => self.missing.push((program, 1)),
            }
        }
    }
}

fn collect(servers: &Arc<Servers>, rewrite: bool) -> Collected {
    let mut all =
        Collected { servers: Arc::clone(servers), trials: Vec::new(), missing: Vec::new() };
    for &store in Store::ALL {
        for &(name, check) in schemes::checks(store) {
            all.add(format!("{}/{name}", store.name()), store.programs(), move |servers| {
                check(store, servers);
            });
        }
    }
    for refusal in refusals::REFUSALS {
        all.add(format!("refusal/{}", refusal.name), refusal.programs, |servers| {
            refusal.check(servers);
        });
    }
    for refusal in write_refusals::WRITE_REFUSALS {
        all.add(format!("temp_refusal/{}", refusal.name), refusal.programs, |servers| {
            refusal.check_temp(servers);
        });
        all.add(format!("export_refusal/{}", refusal.name), refusal.programs, |servers| {
            refusal.check_export(servers);
        });
    }
    for canary in canary::CANARIES {
        all.add(format!("canary/{}", canary.name), canary.programs, |servers| {
            canary.check(servers);
        });
    }
    all.add("canary/setting".to_owned(), &[], |_| canary::check_setting());
    let azure = Store::Azure.programs();
    for number in 0..seed::count() {
        all.add(format!("seed/example_{}", number + 1), azure, move |servers| {
            seed::check(number, false, servers);
        });
        all.add(format!("seed/example_{}_with_temp", number + 1), azure, move |servers| {
            seed::check(number, true, servers);
        });
    }
    let every = [Program::Azurite, Program::Moto, Program::Nginx, Program::Python];
    all.add("examples".to_owned(), &every, examples::check);
    all.add("attacks".to_owned(), &[Program::Nginx], move |servers| {
        attacks::check(servers, rewrite);
    });
    all.add("fault_server".to_owned(), &[], |_| faults::check_server());
    let faults = Arc::new(Faults::new());
    let stopped = Arc::clone(&faults);
    all.add("stop_while_a_server_is_silent".to_owned(), &[], move |_| stopped.check_stop());
    collect_temp_faults(&mut all);
    let seeds = Faults::seeds();
    for first in (0..seeds).step_by(usize::try_from(SEEDS_AT_ONCE).expect("a small number")) {
        let faults = Arc::clone(&faults);
        let seeds = first..(first + SEEDS_AT_ONCE).min(seeds);
        let name = format!("faults/seeds_{:03}_to_{:03}", seeds.start, seeds.end - 1);
        all.add(name, &[], move |_| faults.check_all(seeds));
    }
    all
}

/// Adds the tests of a server that takes temporary files badly.
fn collect_temp_faults(all: &mut Collected) {
    let faults = Arc::new(TempFaults::new());
    for method in ["PUT", "GET", "DELETE"] {
        let (passing, lasting) = (Arc::clone(&faults), Arc::clone(&faults));
        all.add(format!("temp_faults/passing_{method}"), &[], move |_| {
            passing.check_passing(method);
        });
        all.add(format!("temp_faults/lasting_{method}"), &[], move |_| {
            lasting.check_lasting(method);
        });
    }
    all.add("temp_faults/stop".to_owned(), &[], move |_| faults.check_stop());
}

#[expect(clippy::print_stderr, reason = "it tells a person why tests are ignored")]
fn main() -> ExitCode {
    let rewrite = std::env::args().any(|argument| argument == "--rewrite");
    let words = std::env::args().filter(|argument| argument != "--rewrite");
    let arguments = Arguments::from_iter(words);
    // A panic is a failed check: it is told once, with the test that it failed.
    set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        PANICKED_AT.set(place);
    }));
    let servers = Arc::new(Servers::new());
    let collected = collect(&servers, rewrite);
    for (program, count) in &collected.missing {
        eprintln!("{count} tests are ignored: {}", program.advice());
    }
    let required = std::env::var_os("WHARF_TEST_ALL_SERVERS").is_some();
    if required && !collected.missing.is_empty() {
        return ExitCode::FAILURE;
    }
    let conclusion = libtest_mimic::run(&arguments, collected.trials);
    scratch::sweep();
    conclusion.exit_code()
}
