"""What sessions cost: by day, model, project, agent, tool and session."""
