// Requests to the server of this page, and what a person is told of them.

export async function draw(ask) {
  return (await post("draw", ask)).json();
}

export async function answer(question) {
  return (await post("answer", question)).json();
}

export async function file(ask, kind) {
  return (await post(`file/${kind}`, ask)).blob();
}

async function post(path, ask) {
  let answer;
  try {
    answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(ask) });
  } catch {
    throw new Error("no answer: gan explore has ended");
  }
  if (!answer.ok) throw new Error((await answer.json()).error);
  return answer;
}

// One request at a time, and of those that come meanwhile the last one only.
export function latest(run) {
  let wanted = null;
  let busy = false;
  return async (ask) => {
    wanted = ask;
    if (busy) return;
    busy = true;
    while (wanted !== null) {
      const now = wanted;
      wanted = null;
      await guarded(run, now);
    }
    busy = false;
  };
}

export async function guarded(run, ask) {
  try {
    await run(ask);
    complain("", run);
  } catch (error) {
    complain(error.message, run);
  }
}

const complaints = new Map(); // whose -> what is wrong there

// Tell what is wrong, until whose it is says that it is no longer: "".
export function complain(text, whose) {
  if (text) complaints.set(whose, text);
  else complaints.delete(whose);
  const message = document.getElementById("message");
  const all = [...new Set(complaints.values())].join("; ");
  message.hidden = all === "";
  if (message.textContent !== all) message.textContent = all;
}

export function say(text) {
  document.getElementById("said").textContent = text;
}

export function save(source, name) {
  const link = document.createElement("a");
  link.href = typeof source === "string" ? source : URL.createObjectURL(source);
  link.download = name;
  link.click();
  if (typeof source !== "string") setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
