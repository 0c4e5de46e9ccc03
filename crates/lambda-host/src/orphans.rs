use std::{
    io::Write,
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Mutex,
};

/// Remembers the process groups that it is told on its standard input, and kills what is left of them when that input
/// ends. The input ends with the host, even if the host is killed.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=
while read -r verb group; do
  case $verb in
    start) groups="$groups $group" ;;
    end)
      rest=
      for known in $groups; do [ "$known" = "$group" ] || rest="$rest $known"; done
      groups=$rest ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"#;

/// Ends what function processes started themselves.
///
/// The parent-death signal reaches the process that the host started and nothing below it: a `bootstrap` that is a
/// shell script around an interpreter would leave the interpreter behind when the host is killed. So a shell outlives
/// the host by a moment and kills the groups.
pub(crate) struct OrphanGuard {
    shell: Mutex<Option<Shell>>,
}

struct Shell {
    child: Child,
    groups: ChildStdin,
}

impl OrphanGuard {
    pub(crate) fn start() -> Self {
        // A group of its own: a Ctrl-C at the terminal must not end it before the host.
        let started = Command::new("/bin/sh")
            .args(["-c", SCRIPT])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let shell = match started {
            Ok(mut child) => child.stdin.take().map(|groups| Shell { child, groups }),
            Err(error) => {
                tracing::warn!(%error, "/bin/sh could not be started: processes that functions start may outlive a host that is killed");
                None
            }
        };
        Self { shell: Mutex::new(shell) }
    }

    pub(crate) fn group_started(&self, group: i32) {
        self.tell("start", group);
    }

    /// To be told before the leader is reaped: after that the number may belong to someone else.
    pub(crate) fn group_ended(&self, group: i32) {
        self.tell("end", group);
    }

    /// A line is far shorter than a pipe's atomic write, and the shell does nothing but read: this does not wait.
    fn tell(&self, verb: &str, group: i32) {
        let mut shell = self.shell.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(running) = shell.as_mut() else { return };
        if let Err(error) = running.groups.write_all(format!("{verb} {group}\n").as_bytes()) {
            tracing::warn!(%error, "the shell that ends orphaned processes is gone: processes that functions start may outlive a host that is killed");
            if let Some(Shell { mut child, groups }) = shell.take() {
                drop(groups);
                drop(child.wait());
            }
        }
    }
}

impl Drop for OrphanGuard {
    fn drop(&mut self) {
        let shell = self.shell.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(Shell { mut child, groups }) = shell.take() {
            drop(groups);
            // It ends with its input, within a millisecond.
            drop(child.wait());
        }
    }
}
