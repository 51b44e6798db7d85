// The full story over graphql-transport-ws, with graphql-ws: register, start, watch, answer,
// stop another; and a subscription that is cut off goes on where it was cut.
import assert from "node:assert/strict";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const url = process.env.ASSAY_URL.replace(/^http/, "ws") + "/graphql";
const open = (key = process.env.ASSAY_KEY) =>
  createClient({ url, webSocketImpl: WebSocket, connectionParams: { apiKey: key }, retryAttempts: 0 });

let client = open();

async function ask(query, variables) {
  const { value } = await client.iterate({ query, variables }).next();
  assert.equal(value.errors, undefined, JSON.stringify(value.errors));
  const [result] = Object.values(value.data);
  return result;
}

const EVENTS = `subscription ($id: ID!, $after: Int!) {
  executionEvents(id: $id, after: $after) { seq type path data live }
}`;

// Each event once and in order, over as many connections as it takes.
async function* follow(id, { cut = () => false } = {}) {
  let after = 0;
  for (;;) {
    try {
      for await (const result of client.iterate({ query: EVENTS, variables: { id, after } })) {
        assert.equal(result.errors, undefined, JSON.stringify(result.errors));
        const event = result.data.executionEvents;
        if (!event.live) after = event.seq;
        yield event;
        if (!event.live && cut(event)) client.terminate();
      }
      return;
    } catch (reason) {
      if (reason.code !== 4499) throw reason;
      client = open();
    }
  }
}

const START = `mutation ($input: StartExecutionInput!) {
  startExecution(input: $input) {
    ... on ExecutionStarted { execution { id status } }
    ... on Problem { code message }
  }
}`;
const start = async (workflow) => (await ask(START, { input: { workflow } })).execution.id;

async function register(document) {
  const kept = await ask(
    `mutation ($document: JSON!) {
      registerWorkflow(definition: { document: $document }) {
        ... on WorkflowRegistered { workflow { name version } }
        ... on Problem { code message }
      }
    }`,
    { document },
  );
  assert.deepEqual(kept, { workflow: { name: document.name, version: "1" } });
}

async function registersAndStarts() {
  const step = (id) => ({ id, type: "shell", command: `echo ${id}` });
  const ask = { id: "ask", type: "approval", message: "Ship it?" };
  await register({ name: "ship", steps: [step("build"), ask, step("deploy")] });
  await register({ name: "steps", steps: [..."abcdefgh"].map(step) });
  const wrong = await ask_wrong();
  assert.equal(wrong.code, "invalid_spec");
  assert.match(wrong.problems[0].message, /shel/);
}

const ask_wrong = () =>
  ask(
    `mutation ($document: JSON!) {
      registerWorkflow(definition: { document: $document }) {
        ... on InvalidSpecProblem { code problems { message line } }
      }
    }`,
    { document: { name: "wrong", steps: [{ id: "a", type: "shel" }] } },
  );

async function watchesAndAnswers() {
  const id = await start("ship");
  const seen = [];
  for await (const event of follow(id)) {
    if (event.live) continue;
    seen.push(event);
    if (event.type !== "QuestionAsked") continue;
    const { nodes } = await ask(
      `query ($id: ID!) { questions(executionId: $id) { nodes { id message status } } }`,
      { id },
    );
    assert.deepEqual([nodes[0].message, nodes[0].status], ["Ship it?", "OPEN"]);
    const answered = await ask(
      `mutation ($id: ID!) {
        answerQuestion(id: $id, approved: true, comment: "from node") {
          ... on QuestionAnswered { question { answer { comment approved } } }
          ... on Problem { code message }
        }
      }`,
      { id: nodes[0].id },
    );
    assert.deepEqual(answered.question.answer, { comment: "from node", approved: true });
  }
  assert.deepEqual(seen.map((event) => event.seq), seen.map((_, index) => index + 1));
  assert.equal(seen.at(-1).type, "ExecutionCompleted");
  assert.ok(seen.some((event) => event.type === "StepCompleted" && event.path === "deploy"));
}

async function stopsAnother() {
  const id = await start("ship");
  for await (const event of follow(id)) {
    if (event.type !== "QuestionAsked") continue;
    const stopped = await ask(
      `mutation ($id: ID!) {
        stopExecution(id: $id, reason: "changed my mind") {
          ... on ExecutionChanged { execution { status } }
          ... on Problem { code message }
        }
      }`,
      { id },
    );
    assert.equal(stopped.execution.status, "CANCELLED");
  }
}

async function goesOnWhereItWasCut() {
  const id = await start("steps");
  const cut = [];
  for await (const event of follow(id, { cut: (event) => event.seq % 3 === 0 })) {
    if (!event.live) cut.push(event);
  }
  const whole = [];
  for await (const event of follow(id)) if (!event.live) whole.push(event);
  assert.deepEqual(cut, whole);
  assert.ok(whole.length > 16);
}

async function isRefusedWithoutAKey() {
  const stranger = open("assay_00000000_" + "x".repeat(43));
  const first = stranger.iterate({ query: "{ workflows { nodes { name } } }" }).next();
  await assert.rejects(first, (closed) => closed.code === 4403);
}

for (const chapter of [
  registersAndStarts,
  watchesAndAnswers,
  stopsAnother,
  goesOnWhereItWasCut,
  isRefusedWithoutAKey,
]) {
  await chapter();
  console.log(chapter.name);
}
await client.dispose();
