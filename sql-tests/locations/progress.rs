//! What an import tells while it runs counts the bytes and the rows of files on other machines as it
//! counts those of local ones.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use wharf::session::{Event, ExternalIo, Options, Outcome, Progress, Session};

use crate::data::{PARTS, ROWS};
use crate::scene::{GATE, import};
use crate::scratch::new_directory;
use crate::servers::Servers;
use crate::store::Store;

/// Checks it for one plain file, for twenty, and for one that is compressed.
pub(crate) fn check(store: Store, servers: &Servers) {
    // The certificates of a session within this process are those of the machine.
    if store == Store::Https {
        return;
    }
    let parts = (0..PARTS).map(|number| format!("parts/part-{number:02}.csv")).collect();
    let (one, packed) = (vec!["rows.csv".to_owned()], vec!["rows.csv.gz".to_owned()]);
    for names in [one, parts, packed] {
        let size: u64 = names.iter().map(|name| size(servers, name)).sum();
        let urls: Vec<String> = names.iter().map(|name| store.url(servers, name)).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let all = told(store, servers, &import(&urls, "tmp"));
        let reading: Vec<&Progress> = all.iter().filter(|one| one.phase == "reading").collect();
        let last = reading.last().expect("an import tells of reading");
        // Of compressed files what lies there is counted, so that the size tells how much is left.
        let seen = (last.rows, last.bytes, last.total_bytes);
        assert_eq!(seen, (ROWS, size, Some(size)), "{names:?}");
        for pair in reading.windows(2) {
            assert!(pair[0].bytes <= pair[1].bytes && pair[0].rows <= pair[1].rows, "{pair:?}");
        }
    }
}

fn size(servers: &Servers, name: &str) -> u64 {
    std::fs::metadata(servers.data().join(name)).expect("a data file").len()
}

/// Runs an import in a session of this process, and returns what it told; its job and its result must say
/// the same.
fn told(store: Store, servers: &Servers, import: &str) -> Vec<Progress> {
    let directory = new_directory();
    let mut session = Session::open(Options {
        database: Some("shop".into()),
        user: "root".into(),
        read_only: false,
        memory: 256 << 20,
        threads: Some(2),
        external_io: match store {
            Store::Nodelocal => ExternalIo::Directory(servers.data().to_owned()),
            _ => ExternalIo::Default,
        },
        allow_hosts: Vec::new(),
        max_disk_temp_storage: None,
        network_timeout: Duration::from_mins(2),
        network_patience: Duration::from_mins(2),
        working_directory: directory.path().to_owned(),
    })
    .expect("a database opens");
    let all = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&all);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut run = |statement: &str| {
        let heard = Arc::clone(&heard);
        let events = Arc::new(move |event| {
            if let Event::Progress(progress) = event {
                heard.lock().expect("no thread panics with it").push(progress);
            }
        });
        runtime.block_on(async {
            match session.execute(statement, events).await.expect("it succeeds") {
                Outcome::Rows { rows, .. } | Outcome::Copy { rows, .. } => {
                    rows.collect().await.expect("rows")
                }
                Outcome::Done { .. } => Vec::new(),
            }
        })
    };
    run(GATE);
    let result = format!("{:?}", run(import));
    assert!(result.contains(&ROWS.to_string()) && result.contains("succeeded"), "{result}");
    let job = format!("{:?}", run("SHOW JOBS"));
    assert!(job.contains("succeeded") && job.contains("1.0"), "{job}");
    let mut all = all.lock().expect("no thread panics with it");
    std::mem::take(&mut *all)
}
