// What may be asked of a rollout as it is. Pure. The daemon has the last word: docs/rollout-states.md.

const isOneOf = (...states) => ({ state }) => states.includes(state);
// Held, and perhaps paused since then.
const isCondemned = ({ state, reason }) => ['held', 'paused'].includes(state) && reason === 'verdict';
// After a bad verdict, or while it returns to stable, a held rollout does not rise.
const mayRise = (rollout) => !isCondemned(rollout) &&
  (isOneOf('progressing', 'paused', 'baking')(rollout) || (rollout.state === 'waiting' && rollout.reason !== 'freeze') ||
  (rollout.state === 'held' && rollout.reason !== 'returning'));

// `always`: whatever has happened since the rollout was looked at.
const kActions = [
  { word: 'start', label: 'Start', fits: isOneOf('idle') },
  { word: 'promote', label: 'Promote', fits: mayRise },
  { word: 'resume', label: 'Resume', fits: (rollout) => isOneOf('paused', 'held')(rollout) && mayRise(rollout) },
  { word: 'retry', label: 'Retry', fits: (rollout) => isOneOf('rolled_back', 'aborted')(rollout) ||
    isCondemned(rollout) },
  { word: 'pause', label: 'Pause', always: true, fits: isOneOf('progressing', 'waiting', 'held', 'baking', 'suspended') },
  { word: 'unretire', label: 'Keep stable', always: true, fits: ({ state, retire }) => retire !== null &&
    ((state === 'retiring' && retire.hook === 'none') || (state === 'promoted' && !retire.kept)) },
  { word: 'abort', label: 'Abort', always: true, danger: true, fits: isOneOf('idle', 'progressing', 'waiting', 'held',
    'paused', 'baking', 'suspended', 'promoted', 'retiring') },
];

export const kMeaning = {
  start: 'The canary gets its first users.',
  promote: 'The next step is taken now, whatever the evidence says.',
  resume: 'The rollout goes on.',
  retry: 'The rollout begins again at its first step, with fresh evidence.',
  pause: 'The weight stays as it is until somebody resumes it; a suspended one comes back paused. A bad verdict still ' +
    'does what on_failure says.',
  abort: 'Everybody is on stable from the next request on.',
  unretire: 'The old version is not retired, unless its hook was called already.',
  approve: 'The gate opens for the step that waits at it.',
};

export function actionsOf(rollout) {
  const fitting = kActions.filter((action) => action.fits(rollout));
  const gate = rollout.step?.gate;
  if (rollout.state === 'waiting' && rollout.reason === 'gate' && gate) {
    fitting.unshift({ word: 'approve', label: `Approve ${gate}`, body: { gate } });
  }
  return fitting;
}
