use std::{
    io::Write,
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Mutex,
};

/// Remembers the process groups and the Runtime API addresses that it is told on its standard input. When that input ends
/// it kills what is left of the groups, and whatever still has one of the addresses in its environment. The input ends
/// with the host, even if the host is killed.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
without() {
  rest=
  for known in $2; do [ "$known" = "$1" ] || rest="$rest $known"; done
}
groups=
addresses=
while read -r verb name; do
  case $verb in
    group) groups="$groups $name" ;;
    address) addresses="$addresses $name" ;;
    end-group) without "$name" "$groups"; groups=$rest ;;
    end-address) without "$name" "$addresses"; addresses=$rest ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
marks=
for address in $addresses; do marks="$marks|$address"; done
[ -n "$marks" ] || exit 0
for file in $(grep -lzsE "^AWS_LAMBDA_RUNTIME_API=(${marks#|})\$" /proc/[0-9]*/environ); do
  file=${file#/proc/}
  kill -s KILL "${file%%/*}" 2>/dev/null
done
"#;

/// Ends what function processes started themselves.
///
/// The parent-death signal reaches the process that the host started and nothing below it: a `bootstrap` that is a
/// shell script around an interpreter would leave the interpreter behind when the host is killed. So a shell outlives
/// the host by a moment and kills the groups, and what left them.
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

    pub(crate) fn started(&self, group: i32, runtime_api: &str) {
        self.tell(&format!("group {group}\naddress {runtime_api}\n"));
    }

    /// To be told before the leader is reaped: after that the number may belong to someone else.
    pub(crate) fn group_ended(&self, group: i32) {
        self.tell(&format!("end-group {group}\n"));
    }

    /// To be told once nothing of the environment is left.
    pub(crate) fn address_ended(&self, runtime_api: &str) {
        self.tell(&format!("end-address {runtime_api}\n"));
    }

    /// A line or two are far shorter than a pipe's atomic write, and the shell does nothing but read: this does not wait.
    fn tell(&self, lines: &str) {
        let mut shell = self.shell.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(running) = shell.as_mut() else { return };
        if let Err(error) = running.groups.write_all(lines.as_bytes()) {
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
