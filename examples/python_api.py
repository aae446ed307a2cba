"""The Python API: search, look at the winner, and train with it."""

import torch

import lrsearch

result = lrsearch.run("digits", budget=10, epochs=6, study="api-example")
best = result.best
print(f"{best.schedule.describe()}: {result.metric} {best.value:.4f}")

model = torch.nn.Linear(64, 10)
optimizer = torch.optim.SGD(model.parameters(), momentum=0.9, nesterov=True)
scheduler = best.schedule.stretched(60).scheduler(optimizer, steps_per_epoch=16)
for step in range(3):
    print(f"step {step}: lr {optimizer.param_groups[0]['lr']:.6f}")
    optimizer.step()
    scheduler.step()
