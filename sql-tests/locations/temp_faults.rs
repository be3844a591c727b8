//! Faults of a server that takes temporary files: the import goes on by trying again, or fails with a
//! clean error and leaves nothing; what it could not remove goes with the next import.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::data;
use crate::scene::{GATE, Scene, import};
use crate::scratch::has_ended;
use crate::temp_server::{TempFault, TempPlan, TempServer};

/// How long one run may take: much longer than the program's own patience.
const LIMIT: Duration = Duration::from_mins(5);

/// For how many milliseconds a server may be silent, in the cases in which it falls silent.
const SILENCE: &str = "2500";

/// For how many milliseconds a request is tried again that never succeeds.
const PATIENCE: &str = "4000";

/// What must not be shown.
const SECRET: &str = "canary";

/// What may go wrong for a moment, with any request.
const PASSING: &[TempFault] = &[
    TempFault::Reset,
    TempFault::Stall,
    TempFault::ServerError,
    TempFault::Short,
    TempFault::LostAnswer,
];

/// What does not pass, with the method, and the codes that tell of it; none where the import succeeds.
const LASTING: &[(&str, TempFault, &[&str])] = &[
    ("PUT", TempFault::Reset, &["08006", "08001"]),
    ("PUT", TempFault::Stall, &["08006"]),
    ("PUT", TempFault::ServerError, &["58030"]),
    ("PUT", TempFault::LostAnswer, &["08006"]),
    ("PUT", TempFault::Forbidden, &["42501"]),
    ("PUT", TempFault::Full, &["53100"]),
    ("GET", TempFault::Reset, &["08006", "08001"]),
    ("GET", TempFault::Stall, &["08006"]),
    ("GET", TempFault::ServerError, &["58030"]),
    ("GET", TempFault::Short, &["08006"]),
    ("GET", TempFault::Forbidden, &["42501"]),
    ("GET", TempFault::OtherBytes, &["58030"]),
    ("DELETE", TempFault::ServerError, &[]),
    ("DELETE", TempFault::Forbidden, &[]),
    ("DELETE", TempFault::Stall, &[]),
];

/// The server, and the checksum of the table.
pub(crate) struct TempFaults {
    running: OnceLock<(TempServer, String)>,
}

impl TempFaults {
    /// Returns faults whose server starts when it is needed.
    pub(crate) fn new() -> Self {
        Self { running: OnceLock::new() }
    }

    fn running(&self) -> &(TempServer, String) {
        self.running.get_or_init(|| {
            let server = TempServer::start().expect("a server on the loopback");
            (server, scene().checksum_of(&["rows.csv"]))
        })
    }

    /// Checks that what passes is passed over, for requests of a method.
    pub(crate) fn check_passing(&self, method: &'static str) {
        let (server, sum) = self.running();
        for &fault in PASSING {
            for first in [0, 1] {
                let directory = format!("passing-{method}-{fault:?}-{first}");
                let plan = TempPlan { method, fault, first, count: 2 };
                let scene = patient(fault);
                let ended = run(&scene, &server.place(&directory, plan));
                assert_eq!(ended.code, Some(0), "{plan:?}: {}", ended.err);
                assert!(server.seen(&directory) > first, "nothing went wrong: {plan:?}");
                assert_eq!(scene.checksum(), *sum, "another table: {plan:?}");
                assert_eq!(server.names(&directory), Vec::<String>::new(), "{plan:?}");
            }
        }
    }

    /// Checks that what does not pass is told, for requests of a method, and that nothing stays once the
    /// server is well.
    pub(crate) fn check_lasting(&self, method: &'static str) {
        let (server, sum) = self.running();
        let chosen = LASTING.iter().filter(|(chosen, ..)| *chosen == method);
        for &(_, fault, codes) in chosen {
            let directory = format!("lasting-{method}-{fault:?}");
            let plan = TempPlan { method, fault, first: 1, count: u64::MAX };
            let scene = patient(fault).with_variable("WHARF_NETWORK_PATIENCE", PATIENCE);
            let url = server.place(&directory, plan);
            let ended = run(&scene, &url);
            let told = format!("{plan:?}, {:?}: {}{}", ended.took, ended.out, ended.err);
            assert!(!told.contains(SECRET), "a secret is shown: {told}");
            if codes.is_empty() {
                assert_eq!(ended.code, Some(0), "{told}");
                assert_eq!(scene.checksum(), *sum, "another table: {told}");
                scene.run(&["DROP TABLE t"]).require_success();
            } else {
                assert_eq!(ended.code, Some(1), "{told}");
                let code = ended.err.split_once("SQLSTATE: ").map_or("", |(_, rest)| &rest[..5]);
                assert!(codes.contains(&code), "{told}");
            }
            scene.require_nothing_left();
            let left = server.names(&directory);
            assert!(
                left.is_empty() || told.contains("temporary files were left"),
                "{told}{left:?}"
            );
            server.heal(&directory);
            run(&scene, &url).require_success();
            assert_eq!(scene.checksum(), *sum, "another table: {told}");
            assert_eq!(server.names(&directory), Vec::<String>::new(), "{told}");
        }
    }

    /// Checks that an import whose server has fallen silent ends soon when it is told to, and that the
    /// next one removes what was left.
    pub(crate) fn check_stop(&self) {
        let (server, sum) = self.running();
        for method in ["PUT", "GET"] {
            let directory = format!("stop-{method}");
            let plan = TempPlan { method, fault: TempFault::Stall, first: 1, count: u64::MAX };
            let url = server.place(&directory, plan);
            // The times that it may wait for are longer than the test waits.
            let scene = scene()
                .with_variable("WHARF_NETWORK_TIMEOUT", "3600000")
                .with_variable("WHARF_NETWORK_PATIENCE", "3600000");
            let statement = import(&["rows.csv"], &url);
            let mut running = scene.start(&["--memory", "1MiB", "-e", GATE, "-e", &statement]);
            let mut ended = |so: &mut dyn FnMut(&mut std::process::Child) -> bool| {
                let begun = Instant::now();
                while !so(&mut running) {
                    assert!(begun.elapsed() < LIMIT, "{method}: it takes too long");
                    thread::sleep(Duration::from_millis(10));
                }
            };
            ended(&mut |_| server.seen(&directory) > 1);
            ended(&mut |running| {
                let sent = Command::new("kill").args(["-INT", &running.id().to_string()]).status();
                sent.expect("kill runs").success()
            });
            ended(&mut |running| running.try_wait().expect("it can be waited for").is_some());
            assert_eq!(running.wait().expect("it ends").code(), Some(130), "{method}");
            has_ended(&running);
            scene.require_nothing_left();
            server.heal(&directory);
            run(&scene, &url).require_success();
            assert_eq!(scene.checksum(), *sum, "another table");
            assert_eq!(server.names(&directory), Vec::<String>::new(), "{method}");
        }
    }
}

/// Returns a directory with the rows.
fn scene() -> Scene {
    let scene = Scene::new().with_limit(LIMIT);
    fs::write(scene.path("rows.csv"), data::rows()).expect("a data file");
    scene
}

/// Returns a directory for a case. It waits long unless the server falls silent.
fn patient(fault: TempFault) -> Scene {
    match fault {
        TempFault::Stall => scene().with_variable("WHARF_NETWORK_TIMEOUT", SILENCE),
        _ => scene(),
    }
}

/// Imports the rows with so little memory that they go to `temp`.
fn run(scene: &Scene, temp: &str) -> crate::scene::Ended {
    scene.run_words(&["--memory", "1MiB", "-e", GATE, "-e", &import(&["rows.csv"], temp)])
}
