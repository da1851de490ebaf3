//! An agent of launchd, which catches up with what it missed asleep, and runs when it is loaded.

use super::{Job, ScheduleError, cron, shell_word};

/// The property list.
pub fn plist(job: &Job) -> Result<String, ScheduleError> {
    job.check()?;
    let words = match &job.on_failure {
        None => job.command(),
        // launchd has nothing to run when something fails.
        Some(_) => {
            let line = format!("{}{}", cron::command(job, shell_word), cron::on_failure(job, shell_word));
            vec!["/bin/sh".to_owned(), "-c".to_owned(), line]
        }
    };
    let words: String = words.iter().map(|word| format!("\t\t<string>{}</string>\n", escaped(word))).collect();
    let state = job.state_home.as_ref().map(|folder| {
        format!(
            "\t<key>EnvironmentVariables</key>\n\t<dict>\n\t\t<key>XDG_STATE_HOME</key>\n\t\t<string>{}</string>\n\t</dict>\n",
            escaped(folder)
        )
    });
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <!-- {record} -->\n\
         <plist version=\"1.0\">\n<dict>\n\
         \t<key>Label</key>\n\t<string>{title}</string>\n\
         \t<key>ProgramArguments</key>\n\t<array>\n{words}\t</array>\n{state}\
         \t<key>StartCalendarInterval</key>\n\t<dict>\n\
         \t\t<key>Hour</key>\n\t\t<integer>{hour}</integer>\n\
         \t\t<key>Minute</key>\n\t\t<integer>{minute}</integer>\n\t</dict>\n\
         \t<key>RunAtLoad</key>\n\t<true/>\n\
         \t<key>ProcessType</key>\n\t<string>Background</string>\n\
         </dict>\n</plist>\n",
        record = job.record(),
        title = job.title(),
        state = state.unwrap_or_default(),
        hour = job.at.hour,
        minute = job.at.minute,
    ))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
