import type { Narrator } from './narrator.ts';
import type { ImplementResult, PlanResult, ReviewResult, SessionInfo } from './story.ts';

const SHORT_ID = 12;

export function showPlan(narrator: Narrator, plan: PlanResult): void {
  narrator.heading('The plan');
  narrator.list(plan.task_breakdown, (index) => `${index + 1}.`);
  narrator.heading(`How (complexity: ${plan.estimated_complexity})`);
  narrator.say(plan.implementation_approach);
  narrator.list(plan.architectural_decisions);
  narrator.list(plan.gotchas, () => '!');
}

export function showChanges(narrator: Narrator, work: ImplementResult): void {
  narrator.heading('What changed, as git sees it');
  for (const { file, action, explanation, diff } of work.changes) {
    narrator.say(`\n${file} (${action}) ${explanation}`);
    narrator.diff(diff);
  }
  const notes = [...work.warnings, ...work.next_steps];
  if (notes.length > 0) narrator.heading('Next');
  narrator.list(notes);
}

export function showReview(narrator: Narrator, review: ReviewResult): void {
  narrator.heading(`The review: ${review.overall_rating.replace('_', ' ')}`);
  narrator.say(review.summary);
  for (const { file, line_range, severity, message, suggestion } of review.comments) {
    narrator.list([`${severity} ${file}:${line_range}  ${message} ${suggestion ?? ''}`]);
  }
  narrator.score('security', review.security_score);
  narrator.score('performance', review.performance_score);
  narrator.score('maintainability', review.maintainability_score);
}

export function showSession(narrator: Narrator, session: SessionInfo): void {
  narrator.fact('agent id', session.agent_id);
  narrator.fact('conversation', session.session_id);
  narrator.fact('container', session.container_id?.slice(0, SHORT_ID) ?? 'none');
  narrator.fact('state', `${session.status}, after ${session.turns} calls`);
}
